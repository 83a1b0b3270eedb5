"""What objects are photographed before: drawn rooms, plain backdrops, and clutter."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from starter.scenes.noise import fractal_noise, smooth_noise
from starter.scenes.subjects import Surroundings
from starter.scenes.surroundings import draw_surroundings

SIDE = 256
"""Of backdrops, in pixels."""

Levels = npt.NDArray[np.floating[Any]]
"""(SIDE, SIDE, 3), in [0, 1]."""

_ROOMS, _PLAIN = 0.5, 0.35
"""Shares; the rest is clutter."""


def draw_backdrops(count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Draw backdrops, (count, SIDE, SIDE, 3) RGB; number i depends on the seed and i alone."""
    drawn = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for number in range(count):
        levels = draw_backdrop(np.random.default_rng((seed, number)))
        drawn[number] = (np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)
    return drawn


def draw_backdrop(rng: np.random.Generator) -> Levels:
    """Draw one backdrop."""
    kind = rng.random()
    if kind < _ROOMS:
        return draw_surroundings(rng.choice(np.array(Surroundings)), rng, SIDE).pixels
    return _plain(rng) if kind < _ROOMS + _PLAIN else _clutter(rng)


def _plain(rng: np.random.Generator) -> Levels:
    """Draw paper, or a wall, unevenly lit: half of them white or nearly."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    level = rng.uniform(0.93, 1.0) if rng.random() < 0.5 else rng.uniform(0.15, 0.95)
    hue = 1 - (rng.uniform(0, 0.45, 3) if rng.random() < 0.35 else rng.uniform(0, 0.02, 3))
    light = level - rng.uniform(0, 0.2) * (rng.random() < 0.6) * (y if rng.random() < 0.7 else x)
    corner = (x - rng.uniform(0.3, 0.7)) ** 2 + (y - rng.uniform(0.3, 0.7)) ** 2
    light = light - rng.uniform(0, 0.3) * (rng.random() < 0.4) * corner
    return light[..., None] * hue.astype(np.float32)


def _clutter(rng: np.random.Generator) -> Levels:
    """Draw a room of flat and blurred things, or stone and cloth of any colour."""
    first, second = rng.uniform(0.1, 1, (2, 3)).astype(np.float32)
    cells = tuple(rng.uniform(1, 14, 2))
    noise = fractal_noise(rng, SIDE, cells, 4)[..., None]
    levels = first + (second - first) * np.clip((noise - 0.5) * rng.uniform(0.5, 4) + 0.5, 0, 1)
    if rng.random() < 0.3:
        return levels
    image = Image.fromarray((np.clip(levels, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(3, 14)):
        colour = tuple(int(part) for part in rng.uniform(10, 250, 3))
        x, y = rng.uniform(-0.2, 1, 2) * SIDE
        width, height = rng.uniform(0.05, 0.7, 2) * SIDE
        draw = pen.ellipse if rng.random() < 0.25 else pen.rectangle
        draw((x, y, x + width, y + height), fill=colour)
    if rng.random() < 0.8:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 9)))
    lit = 0.85 + 0.3 * smooth_noise(rng, SIDE, (2, 2))[..., None]
    return np.asarray(image, np.float32) / 255 * lit
