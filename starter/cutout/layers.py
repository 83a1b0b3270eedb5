"""Objects as layers: rendered ones in other colours and materials, and solids."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from starter.cutout.solids import draw_solid
from starter.scenes.objects import Rgba, fitted, paint
from starter.scenes.subjects import Colour

SIDE = 208
"""Of layers, in pixels."""

_OWN, _WHITE, _DARK = 0.35, 0.2, 0.1
"""Shares of rendered objects in their own colours, in white and in black; others are painted."""


def draw_layers(
    files: Sequence[Path], count: int, seed: int, *, solids: float = 0.45
) -> npt.NDArray[np.uint8]:
    """Draw objects, (count, SIDE, SIDE, 4) RGBA; layer i depends on the seed and i alone.

    Args:
        files: Rendered objects, in turn.
        count: Of layers.
        seed: For what is left to chance.
        solids: Share of layers that show none of them but a solid.
    """
    layers = np.empty((count, SIDE, SIDE, 4), np.uint8)
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        solid = not files or rng.random() < solids
        file = None if solid else files[number % len(files)]
        layers[number] = draw_layer(file, rng)
    return layers


def draw_layer(file: Path | None, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw one object, (SIDE, SIDE, 4) RGBA; None: a solid."""
    if file is None:
        return np.asarray(fitted(draw_solid(rng, SIDE), SIDE))
    picture: Rgba = np.asarray(fitted(Image.open(file).convert("RGBA"), SIDE), np.float32) / 255
    kind = rng.random()
    if kind >= _OWN + _WHITE + _DARK:
        picture = paint(picture, rng.choice(np.array(Colour)), rng)
    elif kind >= _OWN:
        grey = (picture[..., :3] @ np.array((0.3, 0.6, 0.1), np.float32))[..., None]
        white = kind < _OWN + _WHITE
        low, range_ = (rng.uniform(0.6, 0.9), 1.0) if white else (0.05, rng.uniform(0.2, 0.4))
        levels = low + grey * (range_ - low if white else range_)
        picture = np.concatenate([np.repeat(levels, 3, axis=2), picture[..., 3:]], axis=2)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
