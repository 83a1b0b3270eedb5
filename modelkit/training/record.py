"""What a UNet that was trained to be INT8 says about itself.

Building a bundle reads it before anything else, so nothing here imports torch, OpenVINO or NNCF.
"""

from pathlib import Path

from pydantic import Field

from bundles.manifest import Quantisation, TokenMergingPlan
from bundles.records import Record, read_record

FORMAT = 1
"""The newest layout of such a folder that this version reads, and the one it writes."""

RECORD = "training.json"


class TrainedUnet(Record):
    """What a trained UNet says about itself."""

    format: int = Field(FORMAT, ge=1, description="Version of the folder's layout.")
    source: str = Field(description="Folder name or Hub id of the model that it was trained from.")
    unet: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="`content_hash` of that model's UNet folder."
    )
    token_merging: TokenMergingPlan | None = Field(description="How it was trained to merge.")
    quantisation: Quantisation
    steps: int = Field(ge=0, description="Optimiser steps.")
    loss: float = Field(description="Mean square error against its teacher, in the end.")


def save_record(record: TrainedUnet, folder: Path) -> None:
    """Write the record into a folder that nobody reads yet."""
    text = record.model_dump_json(indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")


def load_record(folder: Path) -> TrainedUnet:
    """Read what a trained UNet says about itself.

    Raises:
        BundleError: The folder has no such record, or one that is damaged or from a newer packshot.
    """
    return read_record(
        folder / RECORD,
        TrainedUnet,
        newest=FORMAT,
        missing=lambda: (
            f"There is no trained UNet at {folder}: make one with `packshot model quantise-train`."
        ),
        way_out="train the UNet again",
    )
