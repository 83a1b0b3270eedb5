"""A user's segmentation network becomes a folder that workers use."""

import re
import shutil
from pathlib import Path

import numpy as np
import openvino as ov

from bundles.records import write_json
from core.errors import BundleError, last_line
from modelkit.segmentation.recognition import recognise
from worker.segmentation.record import FILE_NAME, SegmentationRecord, digest
from worker.segmentation.segmenter import OpenVinoSegmenter

READABLE = (".onnx", ".xml")
PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".bin", ".safetensors")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def add_network(
    file: Path,
    home: Path,
    *,
    licence: str,
    name: str | None = None,
    family: str | None = None,
    expected: str | None = None,
) -> tuple[Path, SegmentationRecord]:
    """Copy a network into a folder of its own, with a record of what it is.

    Args:
        file: ONNX, or OpenVINO's .xml with its .bin beside it.
        home: Of all such folders.
        licence: Of the weights, in the user's words.
        name: Of the folder; None: the file's.
        family: A key of `LAYOUTS`; None: it is recognised.
        expected: SHA-256 of the file, in hex, as its source names it; None: nobody does.

    Returns:
        The folder, and its record.

    Raises:
        BundleError: The file is missing, another one, of no known kind, or does not run.
    """
    _require_readable(file)
    found = digest(file)
    if expected is not None and found != expected.strip().lower():
        raise BundleError(
            f"The SHA-256 of {file} is {found}, not {expected}. Download it again, from its source."
        )
    called = name or re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-._")
    if not _NAME.fullmatch(called):
        raise BundleError(
            f"{called!r} cannot be a network's name: it must begin with a lower-case letter or "
            "digit, and have at most 64 of them, dots, dashes and underscores. Choose one with "
            "--name."
        )
    folder = home / called
    aside = home / f".{called}.adding"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        names = _copy(file, aside)
        record = _record(aside, called, names, licence, family, source=str(file))
        write_json(record.model_dump(mode="json"), aside / FILE_NAME)
        _try(aside)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder, record


def _require_readable(file: Path) -> None:
    if not file.is_file():
        raise BundleError(f"There is no file {file}. Name an ONNX or OpenVINO file.")
    if file.suffix.lower() in READABLE:
        return
    if file.suffix.lower() in PICKLES:
        raise BundleError(
            f"{file} holds weights without their graph. Export the network to ONNX with its "
            "authors' program, and add that file."
        )
    raise BundleError(f"{file} is no network: name a file that ends in {' or '.join(READABLE)}.")


def _copy(file: Path, folder: Path) -> list[str]:
    """Copy a file and what lies beside it; return their names, the file's first.

    Raises:
        BundleError: OpenVINO's weights are missing.
    """
    beside = [file.with_name(file.name + end) for end in (".data", "_data")]
    if file.suffix.lower() == ".xml":
        beside = [file.with_suffix(".bin")]
        if not beside[0].is_file():
            raise BundleError(f"{beside[0]} is missing. Put it beside {file}: it has the weights.")
    kept = [file, *(one for one in beside if one.is_file())]
    for one in kept:
        shutil.copyfile(one, folder / one.name)
    return [one.name for one in kept]


def _record(
    folder: Path, name: str, names: list[str], licence: str, family: str | None, *, source: str
) -> SegmentationRecord:
    try:
        model = ov.Core().read_model(folder / names[0])
    except RuntimeError as error:
        raise BundleError(
            f"{source} cannot be read ({last_line(error)}). Check that the download is whole."
        ) from error
    known = recognise(model, family=family)
    return SegmentationRecord(
        name=name,
        family=known.family,
        file=names[0],
        sha256={one: digest(folder / one) for one in names},
        side=known.side,
        output=known.output,
        logits=known.logits,
        licence=licence,
        source=source,
    )


def _try(folder: Path) -> None:
    """Cut something out.

    Raises:
        BundleError: The network does not compile, does not run, or gives no mask.
    """
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    try:
        OpenVinoSegmenter(folder).segment(noise)
    except (RuntimeError, ValueError) as error:
        raise BundleError(
            f"The network does not run ({last_line(error)}). Try the same file with "
            "`--family`, or another export of it."
        ) from error
