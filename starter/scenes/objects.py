"""The rendered objects, and their change of colour and material."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from starter.scenes.noise import fractal_noise
from starter.scenes.subjects import FILES, Colour, Kind

FOLDER = Path(__file__).parent / "objects"
SIDE = 160
"""Of the objects' pictures as they are worked on, in pixels."""

Rgba = npt.NDArray[np.floating[Any]]
"""(side, side, 4), in [0, 1], not premultiplied."""
Lab = npt.NDArray[np.floating[Any]]
"""(…, 3): Oklab's lightness and two axes of colour (Björn Ottosson, 2020)."""

_PAINTS: dict[Colour, tuple[int, int, int]] = {
    Colour.RED: (200, 38, 42),
    Colour.ORANGE: (238, 124, 34),
    Colour.YELLOW: (240, 203, 58),
    Colour.GREEN: (64, 154, 66),
    Colour.TEAL: (22, 146, 150),
    Colour.BLUE: (44, 92, 206),
    Colour.PURPLE: (122, 66, 178),
    Colour.PINK: (242, 134, 182),
    Colour.BROWN: (112, 70, 42),
    Colour.BLACK: (32, 32, 35),
    Colour.GREY: (136, 138, 142),
    Colour.WHITE: (240, 240, 238),
}


_MOST = 0.5
"""Share of an object from which on a hue is the main one."""


@cache
def load_object(kind: Kind) -> Rgba:
    """Read an object's picture, cropped to what is there of it and fitted into the square."""
    picture = Image.open(FOLDER / f"{FILES[kind]}.webp").convert("RGBA")
    return np.asarray(fitted(picture, SIDE), np.float32) / 255


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """Crop an RGBA picture to what is there of it, and fit it into a square."""
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    picture = picture.crop(box)
    scale = side * 0.96 / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (side, side))
    square.paste(picture, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def paint_object(kind: Kind, colour: Colour, rng: np.random.Generator) -> Rgba:
    """Return an object whose body has a colour; its material is left to chance."""
    return paint(load_object(kind), colour, rng)


def paint(picture: Rgba, colour: Colour, rng: np.random.Generator) -> Rgba:
    """Return an object's square picture, painted in a colour; its material is left to chance."""
    lab = to_oklab(picture[..., :3])
    body = _body(lab, picture[..., 3])
    painted = _material(_repaint(lab, body, colour, rng), rng)
    rgb = np.clip(from_oklab(painted), 0, 1)
    return np.concatenate([rgb, picture[..., 3:]], axis=2)


def _body(lab: Lab, alpha: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return how much each pixel belongs to what has the object's main colour, in [0, 1].

    That is the hue that most of it has; of an object that is mostly without a hue, all of it.
    """
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.arctan2(lab[..., 2], lab[..., 1])
    coloured = alpha * np.clip((chroma - 0.04) / 0.04, 0, 1)
    if coloured.sum() < 0.25 * alpha.sum() or (chroma * alpha).sum() < 0.07 * alpha.sum():
        return np.ones_like(alpha)
    bins = np.histogram(hue, bins=36, range=(-np.pi, np.pi), weights=coloured * chroma)[0]
    around = bins + np.roll(bins, 1) + np.roll(bins, -1)
    main = (np.argmax(around) + 0.5) / 36 * 2 * np.pi - np.pi
    distance = np.abs((hue - main + np.pi) % (2 * np.pi) - np.pi)
    near = np.clip((1.25 - distance) / 0.5, 0, 1) * np.clip((chroma - 0.02) / 0.03, 0, 1)
    if (near * alpha).sum() < _MOST * alpha.sum():
        # No hue has most of it: a many-coloured object takes the colour everywhere.
        near = np.clip((chroma - 0.02) / 0.03, 0, 1)
    if (near * alpha).sum() < _MOST * alpha.sum():
        near = np.ones_like(alpha)
    return near.astype(np.float32)


def _repaint(
    lab: Lab, body: npt.NDArray[np.float32], colour: Colour, rng: np.random.Generator
) -> Lab:
    """Paint the body in a colour, and keep its shading: lightness is moved, not replaced."""
    target = to_oklab(np.array(_PAINTS[colour], np.float32) / 255)
    target = target + rng.normal(0, (0.02, 0.008, 0.008)).astype(np.float32)
    weight = body[..., None]
    lightness = lab[..., 0]
    inside = lightness[body > 0.5]
    middle = float(np.median(inside))
    # What is nearly black or white stays so: less of the shading's range is left there.
    range_left = 0.5 if not 0.35 < target[0] < 0.85 else 1
    shading = (lightness - middle) * rng.uniform(0.75, 1.0) * range_left
    new_lightness = np.clip(target[0] + shading, 0.08, 1)
    # Highlights and deep shades lose colour, as they do on real things.
    fade = np.clip(1.15 - 1.6 * np.abs(shading), 0.35, 1)
    painted = np.stack([new_lightness, target[1] * fade, target[2] * fade], axis=2)
    return (lab * (1 - weight) + painted * weight).astype(np.float32)


def _material(lab: Lab, rng: np.random.Generator) -> Lab:
    """Make it glossy, matt, rough or speckled."""
    lightness = lab[..., 0]
    contrast = rng.uniform(0.75, 1.25)
    middle = float(np.median(lightness))
    lightness = middle + (lightness - middle) * contrast
    side = len(lightness)
    kind = rng.random()
    if kind < 0.25:  # rough: leather, felt
        cells = rng.uniform(25, 60)
        lightness = lightness + rng.uniform(0.05, 0.14) * (
            fractal_noise(rng, side, (cells, cells), 2) - 0.5
        )
    elif kind < 0.4:  # brushed: wood, metal
        cells = rng.uniform(40, 90)
        lightness = lightness + rng.uniform(0.05, 0.16) * (
            fractal_noise(rng, side, (2, cells), 2) - 0.5
        )
    elif kind < 0.6:  # glossy: a bright streak
        y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
        place = x + rng.uniform(-0.6, 0.6) * y - rng.uniform(0.1, 0.9)
        lightness = lightness + rng.uniform(0.08, 0.2) * np.exp(-((place / 0.08) ** 2))
    return np.concatenate([lightness[..., None], lab[..., 1:]], axis=2).astype(np.float32)


_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
_FROM_LAB = np.linalg.inv(_TO_LAB).astype(np.float32)
_FROM_LMS = np.linalg.inv(_TO_LMS).astype(np.float32)


def to_oklab(rgb: npt.NDArray[np.floating[Any]]) -> Lab:
    """Turn sRGB, (…, 3) in [0, 1], into Oklab."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4)
    return (np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T).astype(np.float32)


def from_oklab(lab: Lab) -> npt.NDArray[np.float32]:
    """Undo `to_oklab`; values may lie outside of [0, 1]."""
    linear = np.maximum((lab @ _FROM_LAB.T) ** 3 @ _FROM_LMS.T, 0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
