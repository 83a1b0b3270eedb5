"""Whether the machine has the memory and the disk for a piece of work, before it begins."""

from collections.abc import Mapping
from pathlib import Path

import psutil

from core.errors import BundleError
from modelkit.export.weights import Weights
from worker.memory import free_memory, in_gib


def require_memory(needed: int, purpose: str) -> None:
    """Refuse work that needs more memory than is free.

    Args:
        needed: Bytes.
        purpose: What they are for ("convert the UNet").

    Raises:
        BundleError: Less than that is available.
    """
    free = free_memory()
    if free < needed:
        raise BundleError(
            f"To {purpose} takes about {in_gib(needed)} of memory, and {in_gib(free)} are free: "
            "end other programs, or build the bundle on a larger machine and copy its folder."
        )


def require_disk(folder: Path, needed: int, purpose: str) -> None:
    """Refuse work that needs more disk than is free.

    Args:
        folder: Where it is needed; it need not exist yet.
        needed: Bytes.
        purpose: What they are for ("build the bundle").

    Raises:
        BundleError: Less than that is free.
    """
    free = free_disk(folder)
    if free < needed:
        raise BundleError(
            f"To {purpose} takes about {in_gib(needed)} of disk at {folder}, and {in_gib(free)} "
            "are free: remove something, or choose another place (PACKSHOT_HOME)."
        )


def free_disk(folder: Path) -> int:
    """Return the free bytes where a folder is, or will be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return int(psutil.disk_usage(str(folder)).free)


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
