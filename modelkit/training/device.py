"""Where training computes, in which precision, and whether there is room for it."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from core.errors import BundleError
from modelkit.export.resources import require_disk, require_memory
from modelkit.export.weights import find_weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A processor, and whether it computes matrix products in BF16 while weights stay in FP32."""

    name: str
    """`cpu` or `cuda`, as PyTorch calls it."""
    mixed: bool

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context that a forward pass runs in."""
        return torch.autocast(self.name, torch.bfloat16) if self.mixed else nullcontext()


def choose_device(name: str, *, mixed: bool | None = None) -> Device:
    """Check that a device is there, and what it can do.

    Args:
        name: `cpu`, `cuda`, or `auto` for the best that is there.
        mixed: Whether to compute in BF16; None where the device is faster at it.

    Raises:
        BundleError: There is no such device, or it cannot do what is asked.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise BundleError(f"No device is called {name!r}: choose cpu, cuda or auto.")
    if name == "cuda" and not torch.cuda.is_available():
        raise BundleError(
            "PyTorch sees no CUDA device here: train with --device cpu, or install a PyTorch "
            "that was built for CUDA."
        )
    able = _has_bf16(name)
    if mixed and not able:
        raise BundleError(f"This {name} has no BF16 instructions: train without mixed precision.")
    return Device(name=name, mixed=able if mixed is None else mixed)


def _has_bf16(device: str) -> bool:
    """Check whether BF16 is computed by the silicon; emulated it is slower than FP32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


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
