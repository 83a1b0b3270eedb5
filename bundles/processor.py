"""What this machine's processor lacks for a bundle to be fast."""

import re
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

_KERNELS = re.compile(r"sse4_2|fma|f16c|avx\w*|amx_\w+|asimd\w*|fphp|sve\w*|sme\w*|i8mm|bf16")
"""Names of instruction sets that kernels of models are written for, as Linux calls them."""

VECTORS = {"avx512f"}
INT8 = {"avx512_vnni", "avx_vnni", "amx_int8"}
BF16 = {"avx512_bf16", "amx_bf16"}
"""Names of instruction sets, any one of which will do."""


def read_features(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Return the names of the processor's instruction sets, as Linux calls those of x86-64.

    Empty where the system does not say, or is another one.
    """
    return _read(cpuinfo, "flags")


def read_instruction_sets(cpuinfo: Path = CPUINFO) -> tuple[str, ...]:
    """Return the instruction sets that decide how models are computed, sorted by name.

    Of x86-64 and of Arm; what else the processor can, and what it is called, decides nothing.
    """
    features = _read(cpuinfo, "flags") | _read(cpuinfo, "Features")
    return tuple(sorted(filter(_KERNELS.fullmatch, features)))


def _read(cpuinfo: Path, field: str) -> frozenset[str]:
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == field:
            return frozenset(value.split())
    return frozenset()


def shortcomings(features: AbstractSet[str], precisions: Collection[str]) -> list[str]:
    """List in sentences what a bundle loses on such a processor.

    Everything works without; nothing is said where the features are unknown.

    Args:
        features: The processor's, as `read_features` gives them.
        precisions: Of the bundle's parts.
    """
    if not features:
        return []
    found = []
    if not features & VECTORS:
        found.append(
            "This CPU has no AVX-512: every model runs, at about half the speed of one that has."
        )
    if any(one.startswith("int8") for one in precisions) and not features & INT8:
        found.append(
            "This CPU has no INT8 instructions (AVX-512 VNNI, AVX-VNNI or AMX): an INT8 UNet or "
            "decoder works and takes less memory, but gains little speed. Floating point "
            "(--precision fp16, --vae float) keeps more quality."
        )
    if "bf16" in precisions and not features & BF16:
        found.append(
            "This CPU has no BF16 instructions (AVX-512 BF16 or AMX): a bf16 bundle works, and "
            "is computed in FP32."
        )
    return found
