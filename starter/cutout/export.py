"""Writes the trained network as OpenVINO reads it: `python -m starter.cutout.export --trained DIR`.

Leaves `network.xml`, `network.bin` (FP16 weights) and their record in `--out`, which is where
packshot looks for its own network unless told otherwise.
"""

import argparse
from pathlib import Path

import openvino as ov
import torch
from torch import nn

from bundles.records import write_json
from starter.cutout.network import CutoutNetwork
from starter.cutout.normalising import LAYOUT
from worker.segmentation.record import FILE_NAME, SHIPPED, SegmentationRecord, digest

MODEL, WEIGHTS = "network.xml", "network.bin"
MOST_BYTES = 4 * 2**20
"""Of what is shipped."""


class Shares(nn.Module):
    """The network with its logits as shares, in [0, 1]."""

    def __init__(self, network: CutoutNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photograph: torch.Tensor) -> torch.Tensor:
        """Map (1, 3, side, side) to (1, 1, side, side)."""
        return torch.sigmoid(self.network(photograph))


def export(network: CutoutNetwork, folder: Path) -> SegmentationRecord:
    """Write a network and its record into a folder.

    Raises:
        ValueError: It is larger than what may be shipped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = (1, 3, LAYOUT.side, LAYOUT.side)
    model = ov.convert_model(
        Shares(network.eval()), example_input=torch.zeros(shape), input=[shape]
    )
    ov.save_model(model, folder / MODEL, compress_to_fp16=True)
    size = sum((folder / name).stat().st_size for name in (MODEL, WEIGHTS))
    if size > MOST_BYTES:
        raise ValueError(f"the network has {size} bytes, and {MOST_BYTES} are shipped at most")
    record = SegmentationRecord(
        name="packshot",
        family="packshot",
        file=MODEL,
        sha256={name: digest(folder / name) for name in (MODEL, WEIGHTS)},
        side=LAYOUT.side,
        logits=False,
        licence="Apache-2.0",
        source="python -m starter.cutout.train",
    )
    write_json(record.model_dump(mode="json"), folder / FILE_NAME)
    return record


def main() -> None:
    """Export what was trained."""
    parser = argparse.ArgumentParser(prog="python -m starter.cutout.export", description=__doc__)
    parser.add_argument("--trained", type=Path, required=True, help="the training's folder")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    network = CutoutNetwork()
    network.load_state_dict(torch.load(options.trained / "network.pt", weights_only=True))
    export(network, options.out)


if __name__ == "__main__":
    main()
