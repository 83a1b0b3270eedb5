"""Which bundle a command means, and how the starter is built at the first start."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundles.manifest import FILE_NAME
from bundles.manifest_file import load_manifest
from bundles.workshop import recover
from core.settings import Settings, get_settings
from core.settings.model import ONLY_MODEL
from local.service import Restart, Service
from starter import SOURCE


def bundles_folder(settings: Settings) -> Path:
    """Return where `packshot model build` puts bundles."""
    return settings.home.expanduser().resolve() / "bundles"


def find_bundle(text: str, settings: Settings) -> Path:
    """Return a bundle's folder: named by its path, its model's name or its name in this home."""
    recover(bundles_folder(settings))
    named = served_models(settings).get(text, bundles_folder(settings) / text)
    return named if named.is_dir() and not Path(text).is_dir() else Path(text)


NAME = "starter"
BUILD_SECONDS = 1800.0
"""About 30 on two free cores; much longer on a machine that is busy with other things."""


def served_models(settings: Settings) -> Mapping[str, Path]:
    """Return the models in PACKSHOT_MODELS or PACKSHOT_BUNDLE, else the starter in this home."""
    models = {name: folder.resolve() for name, folder in settings.models.items()}
    unset = {ONLY_MODEL: type(settings).model_fields["bundle"].default.resolve()}
    if models == unset and "bundle" not in settings.model_fields_set:
        return {ONLY_MODEL: bundles_folder(settings) / NAME}
    return models


def with_models(named: Sequence[str] | None) -> Settings:
    """Return the settings, with models that an option names as `name=folder` if there are any.

    Raises:
        pydantic.ValidationError: One is not written so, or a name cannot be used.
    """
    settings = get_settings()
    if not named:
        return settings
    written: dict[str, Any] = {"models": ",".join(named)}
    return type(settings)(**written)


def bundle_folder(settings: Settings) -> Path:
    """Return the bundle of requests that name no model."""
    return next(iter(served_models(settings).values()))


def describe_models(settings: Settings) -> Mapping[str, str]:
    """Return the environment that has other processes serve the same models, wherever they run."""
    models = served_models(settings)
    if list(models) == [ONLY_MODEL]:
        return {"PACKSHOT_BUNDLE": str(models[ONLY_MODEL]), "PACKSHOT_MODELS": ""}
    return {"PACKSHOT_MODELS": ",".join(f"{name}={folder}" for name, folder in models.items())}


def build_service(settings: Settings) -> Service | None:
    """Return what builds the starter, or None when every model has its bundle already.

    It is a process of its own, so that the supervisor never loads torch.

    Raises:
        BundleError: Somebody named a bundle that is not there; only the starter is built unasked.
    """
    starter, builds = bundles_folder(settings) / NAME, False
    for folder in served_models(settings).values():
        if folder == starter and not (folder / FILE_NAME).exists():
            builds = True
        else:
            load_manifest(folder)
    if not builds:
        return None
    return Service(
        name="bundle",
        argv=[sys.executable, "-m", "cli", "model", "build", str(SOURCE), "--name", NAME],
        restart=Restart.ONCE,
        ready_seconds=BUILD_SECONDS,
    )
