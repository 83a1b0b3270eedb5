"""What a training takes of the machine, estimated from its UNet's parameters."""

from pathlib import Path

from modelkit.export.resources import require_disk, require_memory
from modelkit.export.weights import find_weights
from modelkit.training.device import Device

TRAINED = 16
"""Bytes of a parameter in training: itself, its gradient, and AdamW's two moments, in FP32."""

AVERAGED = 4
"""Bytes of a parameter's moving average, in main memory."""

TAUGHT = 4
"""Bytes of a teacher's parameter."""

CHECKPOINTED = 2 * 16
"""Bytes of a parameter on disk: itself, its average and its moments, while the checkpoint before is
still there."""

PROGRAM = 2**30
"""The libraries themselves, and activations of a few rows, in bytes; more rows need more."""


def require_room(source: Path, work: Path, *, device: Device, taught: bool) -> None:
    """Refuse a training for which memory or disk are too small.

    Args:
        source: A diffusers folder.
        work: Where checkpoints will be.
        device: Where weights are; only a CPU's memory is counted beforehand.
        taught: Whether there is a teacher of the same size.

    Raises:
        BundleError: One of them is.
    """
    parameters = find_weights(source / "unet").parameters
    needed = AVERAGED * parameters + PROGRAM
    if device.name == "cpu":
        needed += (TRAINED + (TAUGHT if taught else 0)) * parameters
    require_memory(needed, "train the UNet")
    require_disk(work.parent, CHECKPOINTED * parameters, "keep checkpoints of the UNet")
