"""Products of no kind: bodies with parts, handles and openings, shaded and painted at random.

Two thirds of a hundred rendered objects are too few for a network to learn what a product is; these
differ in outline, part and surface every time.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from starter.scenes.noise import fractal_noise

Levels = npt.NDArray[np.floating[Any]]

_FINER = 2
"""Outlines are drawn so many times as large, for smooth edges."""


def draw_solid(rng: np.random.Generator, side: int) -> Image.Image:
    """Draw a product of one to four parts, (side, side) RGBA; what is no part is transparent."""
    whole = Image.new("RGBA", (side, side))
    for number in range(rng.integers(1, 5)):
        mask = _part(rng, side * _FINER, main=number == 0)
        small = mask.resize((side, side), Image.Resampling.BOX)
        whole.alpha_composite(_shaded(small, rng))
    if rng.random() < 0.3:
        whole = _pierced(whole, rng)
    return whole


def _part(rng: np.random.Generator, side: int, *, main: bool) -> Image.Image:
    """Draw the outline of one part: large and in the middle if it is the main one."""
    longest = side * (rng.uniform(0.55, 0.8) if main else rng.uniform(0.15, 0.55))
    aspect = math.exp(rng.normal(0, 0.5))
    width, height = longest / max(1, 1 / aspect), longest / max(1, aspect)
    off = 0.0 if main else 0.24 * side
    middle = side / 2 + rng.uniform(-off, off, 2)
    shapes = (_turned_body, _blob, _box, _ring, _bar)
    shape = shapes[rng.choice(5, p=(0.34, 0.2, 0.24, 0.1, 0.12) if main else (0.1,) + (0.225,) * 4)]
    mask = Image.new("L", (side, side))
    shape(ImageDraw.Draw(mask), rng, (width, height), middle)
    turn = rng.normal(0, 10) if main else rng.uniform(0, 360)
    return mask.rotate(turn, Image.Resampling.BICUBIC, center=(float(middle[0]), float(middle[1])))


def _turned_body(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    size: tuple[float, float],
    middle: npt.NDArray[np.float64],
) -> None:
    """Draw what a lathe makes: bottles, vases, cups, lamps."""
    knots = rng.uniform(0.25, 1, rng.integers(3, 7))
    rows = np.linspace(0, 1, 40)
    smooth = rng.random() < 0.7
    place = rows * (len(knots) - 1)
    if smooth:
        low = np.minimum(place.astype(int), len(knots) - 2)
        share = place - low
        share = share * share * (3 - 2 * share)
        radius = knots[low] * (1 - share) + knots[low + 1] * share
    else:
        radius = knots[np.minimum((rows * len(knots)).astype(int), len(knots) - 1)]
    x, y = radius * size[0] / 2, (rows - 0.5) * size[1]
    outline = [*zip(middle[0] + x, middle[1] + y, strict=True)]
    outline += [*zip(middle[0] - x[::-1], middle[1] + y[::-1], strict=True)]
    pen.polygon(outline, fill=255)


def _blob(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    size: tuple[float, float],
    middle: npt.NDArray[np.float64],
) -> None:
    """Draw a closed curve of a few waves: fruit, bags, shoes, toys; or a star-like polygon."""
    angles = np.linspace(0, 2 * math.pi, 72 if rng.random() < 0.7 else rng.integers(5, 13))
    radius = np.ones_like(angles)
    for wave in range(2, 7):
        radius += rng.normal(0, 0.16 / wave**0.5) * np.cos(wave * angles + rng.uniform(0, 7))
    radius = np.clip(radius, 0.3, 1.5)
    x = middle[0] + radius * np.cos(angles) * size[0] / 2
    y = middle[1] + radius * np.sin(angles) * size[1] / 2
    pen.polygon([*zip(x, y, strict=True)], fill=255)


def _box(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    size: tuple[float, float],
    middle: npt.NDArray[np.float64],
) -> None:
    """Draw a box with round corners: devices, books, furniture."""
    half = np.array(size) / 2
    corner = float(rng.uniform(0, 0.45) * min(size))
    pen.rounded_rectangle((*(middle - half), *(middle + half)), corner, fill=255)


def _ring(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    size: tuple[float, float],
    middle: npt.NDArray[np.float64],
) -> None:
    """Draw a ring: handles, frames, wheels."""
    half = np.array(size) / 2
    pen.ellipse((*(middle - half), *(middle + half)), fill=255)
    inner = half * rng.uniform(0.45, 0.85)
    pen.ellipse((*(middle - inner), *(middle + inner)), fill=0)


def _bar(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    size: tuple[float, float],
    middle: npt.NDArray[np.float64],
) -> None:
    """Draw something long and thin: legs, handles, tools, straps."""
    longest = max(size)
    half = np.array((longest * rng.uniform(0.03, 0.1), longest / 2))
    pen.rounded_rectangle((*(middle - half), *(middle + half)), float(half[0]), fill=255)


def _pierced(whole: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut openings through a product: baskets, grilles, lattices, scissors' eyes."""
    side = whole.width * _FINER
    alpha = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(alpha)
    if rng.random() < 0.5:
        pitch, gap = rng.uniform(0.07, 0.16) * side, rng.uniform(0.35, 0.7)
        for start in np.arange(0.3 * side, 0.7 * side, pitch):
            pen.rectangle((start, 0.3 * side, start + gap * pitch, 0.7 * side), fill=0)
        alpha = alpha.rotate(rng.choice((0, 90, rng.uniform(0, 90))), fillcolor=255)
    else:
        middle = side / 2 + rng.uniform(-0.15, 0.15, 2) * side
        half = rng.uniform(0.04, 0.14, 2) * side
        pen.ellipse((*(middle - half), *(middle + half)), fill=0)
    small = np.asarray(alpha.resize(whole.size, Image.Resampling.BOX), np.float32) / 255
    kept = np.asarray(whole, np.float32)
    kept = np.dstack([kept[..., :3], kept[..., 3] * small])
    return Image.fromarray(kept.astype(np.uint8), "RGBA")


def _shaded(mask: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Paint a part, and light it as if it were round towards its edges."""
    side = mask.width
    soft = mask.filter(ImageFilter.GaussianBlur(side * rng.uniform(0.01, 0.06)))
    height = np.sqrt(np.asarray(soft, np.float32) / 255 + 1e-4)
    down, across = np.gradient(height * side * rng.uniform(0.02, 0.12))
    turn = rng.uniform(math.pi, 2 * math.pi)
    lit = (down * math.sin(turn) + across * math.cos(turn)) / np.sqrt(1 + down**2 + across**2)
    light = np.clip(0.85 - rng.uniform(0.1, 0.6) * lit, 0.15, 1.25)
    colour = _surface(rng, side) * light[..., None]
    if rng.random() < 0.5:
        gleam = np.clip(-lit - rng.uniform(0.3, 0.8), 0, 1) ** 2 * rng.uniform(0.5, 3)
        colour = colour + gleam[..., None]
    rgba = np.dstack([np.clip(colour, 0, 1) * 255, np.asarray(mask, np.float32)])
    return Image.fromarray((rgba + 0.5).astype(np.uint8), "RGBA")


def _surface(rng: np.random.Generator, side: int) -> Levels:
    """Return a painted surface, (side, side, 3): plain, striped, grained, spotted, labelled."""
    first, second = _colour(rng), _colour(rng)
    kind = rng.random()
    if kind < 0.5:
        share = np.zeros((side, side), np.float32)
    elif kind < 0.65:
        y, x = np.mgrid[0:side, 0:side] / side
        turn = rng.uniform(0, math.pi)
        wave = np.sin((x * math.cos(turn) + y * math.sin(turn)) * rng.uniform(15, 90))
        share = np.clip(wave * 6 + rng.uniform(-4, 4), 0, 1)
    elif kind < 0.85:
        noise = fractal_noise(rng, side, tuple(rng.uniform(2, 30, 2)), 3)
        share = np.clip((noise - 0.5) * rng.uniform(1, 8) + 0.5, 0, 1)
    else:
        share = np.zeros((side, side), np.float32)
        low = rng.uniform(0.25, 0.5, 2) * side
        high = low + rng.uniform(0.1, 0.4, 2) * side
        share[int(low[0]) : int(high[0]), int(low[1]) : int(high[1])] = 1
    return first + (second - first) * share[..., None]


def _colour(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a colour, (3,) in [0, 1]: a third are white, grey or black, as products often are."""
    kind = rng.random()
    if kind < 0.18:
        return rng.uniform(0.86, 1) - rng.uniform(0, 0.03, 3)
    if kind < 0.36:
        return rng.uniform(0.05, 0.85) + rng.uniform(-0.03, 0.03, 3)
    strong = rng.uniform(0, 1, 3)
    return rng.uniform(0, 0.4) + (0.95 - rng.uniform(0.4, 0.6) * rng.random()) * strong * 0.6
