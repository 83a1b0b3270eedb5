"""Segmentation networks on disk: a folder with the files and a record of where they come from.

The record is read without a model library.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from bundles.records import Record, read_record
from catalogue.cutouts.segmentation import LAYOUTS, NetworkLayout
from core.errors import BundleError

FILE_NAME = "network.json"
FORMAT = 1
SHIPPED = Path(__file__).parent / "shipped"
"""The network that packshot brings."""

Family = Literal["packshot", "u2net", "isnet", "birefnet"]


class SegmentationRecord(Record):
    """What a network is, and what it is asked."""

    format: Literal[1] = 1
    name: str
    family: Family
    """A key of `LAYOUTS`."""
    file: str
    """What OpenVINO reads, in the folder."""
    sha256: Mapping[str, str]
    """Of every file, by its name."""
    side: PositiveInt
    """Pixels of its square input."""
    output: int = 0
    """Which of its outputs is the mask; negative: from the last one."""
    logits: bool
    """Whether that still wants a sigmoid."""
    licence: str
    source: str = Field(description="Where the files come from, as whoever added them said.")

    @property
    def layout(self) -> NetworkLayout:
        """Return how it takes its input and gives its output."""
        return replace(LAYOUTS[self.family], side=self.side, logits=self.logits)


def load_network_record(folder: Path) -> SegmentationRecord:
    """Read a network's record, and compare its files with it.

    Raises:
        BundleError: The folder has none, or a file of it is missing or another one.
    """
    record = read_record(
        folder / FILE_NAME,
        SegmentationRecord,
        newest=FORMAT,
        missing=lambda: (
            f"{folder} has no {FILE_NAME}, so it holds no segmentation network. Make one with "
            "`packshot cutout add FILE`, or leave PACKSHOT_CUTOUT_NETWORK empty."
        ),
        way_out="add the network again with `packshot cutout add FILE`.",
    )
    for name, wanted in record.sha256.items():
        found = digest(folder / name) if (folder / name).is_file() else None
        if found != wanted:
            what = "is missing" if found is None else "is not the file that was added"
            raise BundleError(
                f"{folder / name} {what}. Add the network again with `packshot cutout add FILE`."
            )
    return record


def digest(file: Path) -> str:
    """Return a file's SHA-256, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
