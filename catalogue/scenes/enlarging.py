"""A generated background at a channel's size: a part of it of the canvas's shape, made larger."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalogue.cutouts.model import Rgb

GRAIN = 0.7
"""Levels of grain for every doubling: what is made larger has none where a photograph has."""
MOST_GRAIN = 1.4
TILE = 251
"""Side of the grain that is repeated, in pixels; a prime number, so that no edge falls on a round
number of them."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """The part of a background that is shown, in its pixels."""

    left: float
    top: float
    right: float
    bottom: float
    ground: float | None = None
    """Where in it the ground begins, as a share of its height; None: nothing shows it."""


def enlarged(background: Rgb, window: Window, size: tuple[int, int]) -> Rgb:
    """Bring a part of a background to a canvas's size, with a little grain if that is larger.

    Args:
        background: As it was generated.
        window: What of it is shown.
        size: Width and height of the canvas.

    Returns:
        An array of its own; the same for the same arguments, always.
    """
    box = (window.left, window.top, window.right, window.bottom)
    picture = Image.fromarray(background).resize(size, Image.Resampling.LANCZOS, box=box)
    pixels = np.array(picture)
    times = size[0] / (window.right - window.left)
    if times > 1:
        _add_grain(pixels, min(MOST_GRAIN, GRAIN * float(np.log2(times))))
    return pixels


def _add_grain(pixels: Rgb, levels: float) -> None:
    height, width = pixels.shape[:2]
    tile = _grain(levels)
    wide = np.tile(tile, (1, -(-width // TILE)))[:, :width]
    for top in range(0, height, TILE):
        rows = pixels[top : top + TILE]
        rough = rows.astype(np.int16) + wide[: len(rows), :, None]
        rows[:] = rough.clip(0, 255)


def _grain(levels: float) -> npt.NDArray[np.int16]:
    """Draw grain of light, which has no colour, (TILE, TILE)."""
    noise = np.random.default_rng(0).normal(0, levels, (TILE, TILE))
    return np.rint(noise).astype(np.int16)
