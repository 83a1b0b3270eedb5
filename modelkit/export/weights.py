"""The weights of a part: which of several copies is taken, and whether they are whole."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from core.errors import BundleError

STEMS = ("diffusion_pytorch_model", "model")
"""How diffusers and transformers call the weights of a part."""

VARIANTS = (None, "fp32", "ema", "fp16", "bf16", "non_ema")
"""Which of several copies is taken: the full one first, and last the one without the average over
the training's steps, which is there to train on from."""

PICKLED = (".bin", ".ckpt", ".pt", ".pth")
"""Files that run code of their maker's when they are read."""

_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""Types of weights; whole numbers beside them are positions and the like."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Where a part's weights are, and how many."""

    files: tuple[Path, ...]
    variant: str | None
    """What `from_pretrained` calls this copy of them."""
    parameters: int


def find_weights(folder: Path) -> Weights:
    """Find the weights in a part's folder, and look whether they are whole.

    Raises:
        BundleError: There are none, they are pickled, or a file is missing, damaged or cut off.
    """
    variant, names = choose_weights([file.name for file in folder.glob("*")], where=str(folder))
    files = tuple(folder / name for name in names)
    return Weights(
        files=files, variant=variant, parameters=sum(_parameters(file) for file in files)
    )


def choose_weights(names: Collection[str], *, where: str) -> tuple[str | None, list[str]]:
    """Choose among the files of a part, of which there may be several copies.

    Args:
        names: Of the files in the part's folder, on this machine or elsewhere.
        where: What to call the folder in an error.

    Returns:
        The variant, as `from_pretrained` calls it, and the names of its files.

    Raises:
        BundleError: There are no weights, they are pickled, or some of several files are missing.
    """
    for stem in STEMS:
        for variant in VARIANTS:
            base = stem if variant is None else f"{stem}.{variant}"
            if f"{base}.safetensors" in names:
                return variant, [f"{base}.safetensors"]
            shards = _shards(stem, variant)
            found = sorted(filter(None, map(shards.fullmatch, names)), key=lambda one: one[0])
            if found:
                if len(found) != int(found[0]["count"]):
                    raise BundleError(
                        f"{where} has {len(found)} of {int(found[0]['count'])} files of weights: "
                        "download or copy the model again."
                    )
                return variant, [one[0] for one in found]
    pickled = sorted(name for name in names if Path(name).suffix in PICKLED)
    if pickled:
        raise BundleError(
            f"{where} has its weights as {pickled[0]}, a pickle, which can run any code when it "
            "is read: packshot reads safetensors only. Ask the model's maker for these, or save "
            "the model again where you trust it, with diffusers' save_pretrained."
        )
    raise BundleError(f"{where} has no weights (safetensors): give a complete diffusers folder.")


def _shards(stem: str, variant: str | None) -> re.Pattern[str]:
    """Return how the files of weights that were split are called."""
    kind = "" if variant is None else re.escape(f".{variant}")
    # diffusers before 0.31 wrote the variant behind the numbers.
    where = rf"(?=.*{kind}\b)" if kind else ""
    return re.compile(
        rf"{re.escape(stem)}{where}({kind})?-\d+-of-(?P<count>\d+)({kind})?\.safetensors"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTensor:
    """What a file says of one of its tensors."""

    shape: tuple[int, ...]
    dtype: str
    """As safetensors calls it: F32, F16 and so on."""


Tensors = Mapping[str, StoredTensor]
"""Those of a file, by name."""


def _parameters(file: Path) -> int:
    return sum(prod(one.shape) for one in floats(read_tensors(file)))


def floats(tensors: Tensors) -> list[StoredTensor]:
    """Return those that are weights."""
    return [one for one in tensors.values() if one.dtype in _FLOATS]


def bytes_of(tensors: Tensors) -> int:
    """Return the bytes of a file's weights in single precision."""
    return sum(4 * prod(one.shape) for one in floats(tensors))


def read_tensors(file: Path) -> Tensors:
    """Read what a safetensors file says of its tensors, and none of their values.

    Raises:
        BundleError: It is missing, damaged or cut off.
    """
    try:
        with safe_open(file, framework="np") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            return {
                name: StoredTensor(shape=tuple(one.get_shape()), dtype=one.get_dtype())
                for name, one in slices.items()
            }
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"{file} is damaged or cut off ({error}): download or copy the model again."
        ) from error
