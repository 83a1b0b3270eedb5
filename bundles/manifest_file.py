"""A bundle's manifest on disk."""

import os
from pathlib import Path

from bundles.manifest import FILE_NAME, FORMAT, Manifest
from bundles.records import read_record
from bundles.workshop import recover


def load_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest; a bundle that a killed build has put aside is brought back first.

    Raises:
        BundleError: The folder has no manifest, or one that is damaged or from a newer packshot.
    """
    if not (folder / FILE_NAME).exists():
        recover(folder.parent)
    return read_record(
        folder / FILE_NAME,
        Manifest,
        newest=FORMAT,
        missing=lambda: _no_bundle(folder),
        way_out="build the bundle again with `packshot model build`",
    )


def read_mark(folder: Path) -> tuple[int, ...]:
    """Return what changes when a bundle's manifest is replaced; nothing where it has none."""
    try:
        status = (folder / FILE_NAME).stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ino, status.st_size


def _no_bundle(folder: Path) -> str:
    if (folder / "model_index.json").is_file():
        return (
            f"{folder} is a model, but no bundle: "
            f"run `packshot model build {folder} --name NAME` to make one of it."
        )
    return f"There is no model bundle at {folder}: run `packshot model build SOURCE` to make one."


def save_manifest(manifest: Manifest, folder: Path) -> None:
    """Write the manifest; whoever reads meanwhile sees the old one or the new one, whole."""
    replace_file(folder / FILE_NAME, (manifest.model_dump_json(indent=2) + "\n").encode())


def replace_file(file: Path, content: bytes) -> None:
    """Write a file of a bundle; whoever reads meanwhile sees the old one or the new one, whole."""
    aside = file.with_name(f".{file.name}.part")
    aside.write_bytes(content)
    os.replace(aside, file)
