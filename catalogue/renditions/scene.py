"""A product picture taken apart: what is background, whether it is white, where the product is."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalogue.renditions.backdrop import Mask
from catalogue.renditions.matte import GRAIN, Matte, cut_out, reached

Pixels = npt.NDArray[np.uint8]
"""(height, width, 3), RGB."""
Alpha = npt.NDArray[np.uint8]
"""(height, width): 0 is background, 255 is product."""
VISIBLE = 8
"""Alpha, of 255, from which on a pixel counts for the product's box."""

WORK = 256
"""Longer side, in pixels, at which a picture is looked at, whatever it has itself."""
WHITEST = 24
"""Levels, of 255, by which a background may differ from white."""
SMOOTH = 10.0
"""Levels by which a backdrop may differ from a smooth surface; what does more is a room."""
NEAREST = 24
"""Levels by which such a background may differ from its row's edges."""
UNCLEAR = 0.2
"""Share of a product's outline above which, if it is faint, parts of the product may be lost."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where something is, in pixels; right and bottom are the first beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def longest(self) -> int:
        """Return the longer side."""
        return max(self.right - self.left, self.bottom - self.top)

    def scaled(self, across: float, down: float) -> "Box":
        """Return the same box of a picture of another size."""
        left, top = round(self.left * across), round(self.top * down)
        return Box(
            left=left,
            top=top,
            right=max(left + 1, round(self.right * across)),
            bottom=max(top + 1, round(self.bottom * down)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What a picture shows."""

    ground: Mask
    """Where the background is, the dust on it included."""
    fade: Pixels
    """How far what is there is background: 255 on it, less where a shadow fades into it, 0 on the
    product; (height, width)."""
    white: bool
    """Whether the background is white, or meant to be."""
    box: Box | None
    """Around the product without its shadow; None: it cannot be told from the background, or the
    frame cuts it."""
    shown: Box | None
    """Around the product and its shadow."""
    unclear: bool
    """Whether the product can hardly be told from the background, or not at all."""


def look(pixels: Pixels) -> Scene:
    """Find background and product.

    Args:
        pixels: (height, width, 3), RGB.
    """
    height, width = pixels.shape[:2]
    small = _at_work_size(pixels)
    white = bool(np.mean(_edge(255 - small.min(axis=2)) <= WHITEST) >= 0.9)
    matte = cut_out(small.astype(np.float32))
    if matte.backdrop.unevenness > SMOOTH:
        return _before_a_room(pixels, small, white=white)
    fade = _at_own_size(pixels, matte)
    scales = (width / small.shape[1], height / small.shape[0])
    box = _box(matte.product)
    shown = _box(matte.product | matte.shadow, cut=True)
    return Scene(
        ground=fade == 255,
        fade=fade,
        white=white,
        box=box.scaled(*scales) if box else None,
        shown=shown.scaled(*scales) if box and shown else None,
        unclear=matte.faint > UNCLEAR or not matte.product.any(),
    )


def known_in(pixels: Pixels, box: Box) -> Scene:
    """Find background and product by where the product was placed.

    Args:
        pixels: (height, width, 3), RGB.
        box: Around the product without its shadow.
    """
    inside = np.zeros(pixels.shape[:2], np.uint8)
    inside[box.top : box.bottom, box.left : box.right] = 255
    scene = known(pixels, inside)
    if not scene.white:
        return scene
    # Between a box and its product is background, too. What is exactly white of the product may
    # count as such: making it white changes nothing.
    ground = pixels.min(axis=2) == 255
    return replace(scene, ground=ground, fade=ground.astype(np.uint8) * np.uint8(255))


def known(pixels: Pixels, alpha: Alpha) -> Scene:
    """Find background and product by who cut the product out.

    Args:
        pixels: (height, width, 3), RGB.
        alpha: (height, width): the product's, where it stands in the picture.
    """
    lightest = pixels.min(axis=2)
    around = _edge(alpha) == 0
    # All of it but where a shadow reaches the frame.
    white = bool(around.any() and np.mean(_edge(lightest)[around] == 255) >= 0.9)
    # What is not white around the product is its shadow.
    ground = (alpha == 0) & (lightest == 255 if white else True)
    box = _box(alpha >= VISIBLE)
    return Scene(
        ground=ground,
        fade=ground.astype(np.uint8) * np.uint8(255),
        white=white,
        box=box,
        shown=_box(~ground, cut=True) if box else None,
        unclear=False,
    )


def _at_work_size(pixels: Pixels) -> Pixels:
    """Scale a picture to the size at which noise, edges and shadows look alike in all of them."""
    height, width = pixels.shape[:2]
    factor = WORK / max(height, width)
    if factor == 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    resampling = Image.Resampling.BOX if factor < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize(size, resampling))


def _at_own_size(pixels: Pixels, matte: Matte) -> Pixels:
    """Bring a matte to a picture's own size, its outlines found anew among the picture's pixels."""
    size = (pixels.shape[1], pixels.shape[0])
    small = Image.fromarray(np.asarray(matte.fade * 255 + 0.5, np.uint8))
    if small.width >= size[0]:
        return np.asarray(small.resize(size, Image.Resampling.BOX))
    fade = np.array(small.resize(size, Image.Resampling.BILINEAR))
    levels = np.asarray(matte.backdrop.levels + 0.5, np.uint8)
    backdrop = np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BILINEAR))
    outline = (fade > 0) & (fade < 255)
    away = np.abs(pixels[outline].astype(np.int16) - backdrop[outline]).max(axis=1)
    fade[outline] = 255 * np.clip(2 - away / (matte.tolerance + GRAIN), 0, 1)
    return fade


def _before_a_room(pixels: Pixels, small: Pixels, *, white: bool) -> Scene:
    """Find a product before what is no smooth backdrop, by what is left and right of it."""
    ground = reached(_near_row_edges(small))
    size = (pixels.shape[1], pixels.shape[0])
    levels = Image.fromarray(ground.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
    box = _box(~ground)
    found = (
        box.scaled(size[0] / small.shape[1], size[1] / small.shape[0]) if box is not None else None
    )
    fade = np.asarray(levels)
    return Scene(
        ground=fade == 255, fade=fade, white=white, box=found, shown=found, unclear=box is None
    )


def _edge(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the two outermost pixels of each side, as one row."""
    sides = (values[:2], values[-2:], values[:, :2], values[:, -2:])
    return np.concatenate([side.ravel() for side in sides])


def _near_row_edges(pixels: Pixels) -> Mask:
    """Match pixels that are what their row begins and ends with.

    Table tops and rooms change from top to bottom more than from side to side.
    """
    width = pixels.shape[1]
    left = pixels[:, :2].mean(axis=1, dtype=np.float32)[:, None]
    right = pixels[:, -2:].mean(axis=1, dtype=np.float32)[:, None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    expected = left + (right - left) * across
    return np.asarray(np.abs(pixels - expected).max(axis=2) <= NEAREST)


def _box(product: Mask, *, cut: bool = False) -> Box | None:
    """Find what holds the product; None where it is not, or the frame cuts it, unless `cut`."""
    height, width = product.shape
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    if not rows.size:
        return None
    left, right = int(columns[0]), int(columns[-1]) + 1
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    if not cut and (left <= 0 or top <= 0 or right >= width or bottom >= height):
        return None
    return Box(left=left, top=top, right=right, bottom=bottom)
