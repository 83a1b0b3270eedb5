"""Smooth random fields: what wood, stone, grass and cloth are drawn from."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Field = npt.NDArray[np.floating[Any]]


def smooth_noise(rng: np.random.Generator, side: int, cells: tuple[float, float]) -> Field:
    """Return value noise, (side, side) in [0, 1]: a random grid, enlarged smoothly.

    Args:
        rng: Decides the grid.
        side: Pixels.
        cells: Of the grid, down and across; few across and many down make bands.
    """
    rows, columns = (max(2, round(count) + 1) for count in cells)
    grid = Image.fromarray(rng.random((rows, columns), dtype=np.float32))
    enlarged = np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(enlarged, 0, 1)


def fractal_noise(
    rng: np.random.Generator, side: int, cells: tuple[float, float], octaves: int = 4
) -> Field:
    """Return noise with details, (side, side) with mean 0.5 or so: each octave half as strong."""
    total = np.zeros((side, side), np.float32)
    weight = 0.0
    for octave in range(octaves):
        strength = 0.5**octave
        factor = 2**octave
        total += strength * smooth_noise(rng, side, (cells[0] * factor, cells[1] * factor))
        weight += strength
    return total / weight
