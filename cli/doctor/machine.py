"""Disk, processor and memory of this machine, and what they mean for the models."""

import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import psutil

from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest
from bundles.plan import find_plan, this_machine
from bundles.processor import read_features, shortcomings
from cli.doctor.finding import Finding, bad, good, worth_knowing
from core import __version__
from core.cpus import usable_cpus
from core.errors import BundleError
from core.settings import Settings, describe_unknown_settings, describe_unused_bundle

GIB = 2**30
LITTLE_DISK = 2 * GIB
"""Logs, compiled models and sheets that are being read want as much."""
OF_BUNDLE = 2.0
"""A worker's memory in sizes of its bundle: compiled, with what a batch takes."""
PACKAGES = ("openvino", "diffusers", "celery", "fastapi")


def look_at_machine(settings: Settings) -> list[Finding]:
    """Look at everything that needs no service."""
    manifests: dict[str, Manifest] = {}
    models = list(_models(settings, manifests))
    return [
        *_versions(),
        *_settings(settings),
        *_disk(settings.home.expanduser().absolute()),
        *_processor(manifests),
        *models,
    ]


def _versions() -> Iterator[Finding]:
    there = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield good("versions", f"packshot {__version__}, Python {python_version()}, {there}.")


def _settings(settings: Settings) -> Iterator[Finding]:
    said = [*describe_unknown_settings(), *describe_unused_bundle(settings)]
    yield from (worth_knowing("settings", sentence) for sentence in said)


def _disk(home: Path) -> Iterator[Finding]:
    folder = next(one for one in (home, *home.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    said = f"{free / GIB:,.1f} GiB are free on the disk of {folder}"
    if free < LITTLE_DISK:
        yield bad("disk", f"{said}: too little for logs and compiled models. Make room.")
    else:
        yield good("disk", f"{said}.")


def _processor(manifests: dict[str, Manifest]) -> Iterator[Finding]:
    precisions = {one for manifest in manifests.values() for one in manifest.precisions}
    machine = this_machine()
    lacks = shortcomings(read_features(), precisions)
    yield from (worth_knowing("processor", sentence) for sentence in lacks)
    if not lacks:
        yield good("processor", f"{machine.cpu}, {usable_cpus()} CPUs for packshot.")


def _models(settings: Settings, manifests: dict[str, Manifest]) -> Iterator[Finding]:
    home, machine = settings.home.expanduser(), this_machine()
    for name, folder in settings.models.items():
        about = f"model {name}"
        try:
            manifest = manifests[name] = load_manifest(folder)
        except BundleError as error:
            yield bad(about, error.detail)
            continue
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        needed, there = OF_BUNDLE * size, psutil.virtual_memory().total
        if needed > there:
            yield bad(
                about,
                f"{folder} takes {size / GIB:.1f} GiB, and a worker about {needed / GIB:.1f} GiB "
                f"of memory; this machine has {there / GIB:.1f}. Build it with --precision int8, "
                "or use a smaller model.",
            )
        elif find_plan(home, manifest.revision, machine) is None:
            yield worth_knowing(
                about,
                f"{folder} can be read; nothing was measured for it on this machine. "
                "`packshot tune` finds what is fastest here.",
            )
        else:
            yield good(about, f"{folder} can be read, and is tuned for this machine.")
