"""The bundle that the embedded stack uses, built at the first start if it is the starter."""

import sys
from pathlib import Path

from bundles.manifest import FILE_NAME, load_manifest
from core.settings import Settings
from local.service import Restart, Service
from starter import SOURCE

NAME = "starter"
BUILD_SECONDS = 1800.0
"""About 30 on two free cores; much longer on a machine that is busy with other things."""


def bundle_folder(settings: Settings) -> Path:
    """Return PACKSHOT_BUNDLE, or the starter in this home folder."""
    if "bundle" in settings.model_fields_set:
        return settings.bundle.expanduser().resolve()
    return _starter_folder(settings)


def build_service(settings: Settings) -> Service | None:
    """Return what builds the starter, or None when there is a bundle already.

    It is a process of its own, so that the supervisor never loads torch.

    Raises:
        BundleError: Somebody named a bundle that is not there; only the starter is built unasked.
    """
    folder = bundle_folder(settings)
    if folder != _starter_folder(settings) or (folder / FILE_NAME).exists():
        load_manifest(folder)
        return None
    return Service(
        name="bundle",
        argv=[sys.executable, "-m", "cli", "model", "build", str(SOURCE), "--name", NAME],
        restart=Restart.ONCE,
        ready_seconds=BUILD_SECONDS,
    )


def _starter_folder(settings: Settings) -> Path:
    return settings.home.expanduser().resolve() / "bundles" / NAME
