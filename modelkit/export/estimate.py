"""What building a bundle takes of the machine, estimated from the source's weights."""

from collections.abc import Mapping
from pathlib import Path

from modelkit.export.resources import require_disk, require_memory
from modelkit.export.weights import Weights

BYTES = {"fp32": 4}
"""Of a stored parameter; 2 for every other precision. INT8 needs less in the end, but not while it
is made."""

CONVERT = 1.2
"""Peak of memory while a part is converted, in multiples of its FP32 weights (measured: 1.18)."""

QUANTISE = 3.25
"""The same for quantising a UNet after training (measured: 3.05)."""

PROGRAM = 2**30
"""The libraries themselves, and what is too small to count, in bytes."""


def require_resources(
    weights: Mapping[str, Weights], target: Path, *, precision: str, variants: int = 0
) -> None:
    """Refuse a build for which memory or disk are too small.

    Args:
        weights: Of each part of the source.
        target: The bundle's folder.
        precision: That of the UNet.
        variants: Graphs that hold most of the UNet's weights again.

    Raises:
        BundleError: One of them is.
    """
    largest = max(4 * one.parameters for one in weights.values())
    # At the end diffusers draws with all parts at once.
    needed = max(CONVERT * largest, sum(4 * one.parameters for one in weights.values()))
    if precision == "int8":
        needed = max(needed, QUANTISE * 4 * weights["unet"].parameters)
    require_memory(int(needed) + PROGRAM, "build the bundle")
    parameters = sum(one.parameters for one in weights.values())
    parameters += variants * weights["unet"].parameters
    require_disk(target.parent, parameters * BYTES.get(precision, 2), "build the bundle")
