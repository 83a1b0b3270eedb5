"""Which bundle a command means, and how the starter is built at the first start."""

import sys
from pathlib import Path

from bundles.manifest import FILE_NAME, load_manifest
from bundles.workshop import recover
from core.settings import Settings
from local.service import Restart, Service
from starter import SOURCE


def bundles_folder(settings: Settings) -> Path:
    """Return where `packshot model build` puts bundles."""
    return settings.home.expanduser().resolve() / "bundles"


def find_bundle(text: str, settings: Settings) -> Path:
    """Return the folder of a bundle that is named by its path, or by its name in this home."""
    recover(bundles_folder(settings))
    named = bundles_folder(settings) / text
    return named if named.is_dir() and not Path(text).is_dir() else Path(text)


NAME = "starter"
BUILD_SECONDS = 1800.0
"""About 30 on two free cores; much longer on a machine that is busy with other things."""


def bundle_folder(settings: Settings) -> Path:
    """Return PACKSHOT_BUNDLE, or the starter in this home folder."""
    if "bundle" in settings.model_fields_set:
        return settings.bundle.expanduser().resolve()
    return bundles_folder(settings) / NAME


def build_service(settings: Settings) -> Service | None:
    """Return what builds the starter, or None when there is a bundle already.

    It is a process of its own, so that the supervisor never loads torch.

    Raises:
        BundleError: Somebody named a bundle that is not there; only the starter is built unasked.
    """
    folder = bundle_folder(settings)
    if folder != bundles_folder(settings) / NAME or (folder / FILE_NAME).exists():
        load_manifest(folder)
        return None
    return Service(
        name="bundle",
        argv=[sys.executable, "-m", "cli", "model", "build", str(SOURCE), "--name", NAME],
        restart=Restart.ONCE,
        ready_seconds=BUILD_SECONDS,
    )
