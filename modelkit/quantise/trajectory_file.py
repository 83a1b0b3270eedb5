"""A trajectory's calls and last latents in a file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

Call = dict[str, npt.NDArray[Any]]
"""One UNet call's inputs by name; with guidance its rows are without and with the prompt."""


Latents = npt.NDArray[np.float32]
"""(1, channels, height, width)."""


LATENTS = "latents"
"""Their name in a file of calls."""


def save_trajectory(file: Path, calls: Sequence[Call], latents: Latents) -> None:
    """Write all calls and the last latents into one file, aside and renamed."""
    tensors = {
        f"{number:04}.{name}": np.ascontiguousarray(value)
        for number, call in enumerate(calls)
        for name, value in call.items()
    }
    tensors[LATENTS] = np.ascontiguousarray(latents)
    aside = file.with_suffix(".part")
    save_file(tensors, aside)
    os.replace(aside, file)


def load_trajectory(file: Path) -> tuple[list[Call], Latents] | None:
    """Read what `save_trajectory` wrote; None when it is not there or not whole."""
    if not file.is_file():
        return None
    try:
        tensors = load_file(file)
        latents = tensors.pop(LATENTS)
    except (OSError, SafetensorError, KeyError):
        return None
    calls: dict[str, Call] = {}
    for key in sorted(tensors):
        number, name = key.split(".", 1)
        calls.setdefault(number, {})[name] = tensors[key]
    return list(calls.values()), latents
