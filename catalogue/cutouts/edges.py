"""A product's edge among a photograph's own pixels: how much of each is product, in what colour.

A pixel of the edge is a mixture of the product just inside and the backdrop just outside. Both are
looked up by walking from it across the edge, inwards and outwards, until nothing changes any more;
where between the two its own colour lies is its alpha (the compositing equation, Porter and Duff,
1984). So neither the backdrop's light nor a shadow that falls on it has to be known.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalogue.cutouts.model import Mask, Rgb, Rgba
from catalogue.renditions.regions import blurred, dilated, eroded

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

OUTSIDE, INSIDE = 2, 3
"""Pixels at the mask's size beside its outline that are looked at: a mask of everything that
differs from the backdrop is a little too large."""
RINGING = 8
"""Pixels of the photograph beside an edge that JPEG lets differ from the backdrop: its blocks."""
GROWTH = 0.04
"""Share of the difference by which a step across the edge changes the colour while it is in it."""
ACROSS = 0.5
"""Share of the whole difference that is crossed at least where the edge ends."""
FAINT = 6.0
"""Levels of contrast below which the mask is believed rather than the colours."""
STRANGE = 0.3
"""Share of the contrast by which a pixel differs from every mixture of the two, and so is none: a
pattern of the product's."""
NEUTRAL = 0.06
"""Share of light by which a shadow's colours differ at most."""
PARTED, WHOLE = 0.6, 250
"""Share of a pixel's own alpha below which it falls on the way to whole product, of that alpha,
where a shadow's end was taken for the product's edge."""
SURE = 0.04
"""Alpha so near to 0 or 1 is that."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Band:
    """The pixels along an edge, and which way the product is from each; all (n,)."""

    rows: Indices
    columns: Indices
    down: Floats
    across: Floats

    def colours(self, pixels: Rgb, steps: int) -> Floats:
        """Return the colours so many pixels further inwards: (n, 3)."""
        places = self._inwards(pixels.shape, steps)
        return pixels.reshape(-1, 3)[places].astype(np.float32)

    def alpha(self, pixels: Rgba, steps: int) -> Floats:
        """Return the alpha so many pixels further inwards: (n,), in levels."""
        return pixels.reshape(-1)[4 * self._inwards(pixels.shape, steps) + 3].astype(np.float32)

    def _inwards(self, shape: tuple[int, ...], steps: int) -> Indices:
        """Return the pixels so many pixels further inwards, counted row by row."""
        height, width = shape[:2]
        rows = np.rint(self.rows + steps * self.down).astype(np.intp)
        columns = np.rint(self.columns + steps * self.across).astype(np.intp)
        return np.asarray(rows.clip(0, height - 1) * width + columns.clip(0, width - 1))


def refine(
    pixels: Rgb, product: Mask, backdrop: Floats, tolerance: float, *, light: Floats | None = None
) -> Rgba:
    """Cut a product out along its edge.

    Args:
        pixels: The photograph.
        product: Where the product is, at any smaller size.
        backdrop: What each pixel would be without it: (height, width, 3) at that size, in levels.
        tolerance: Levels by which the backdrop differs from that.
        light: What a shadow leaves of it, also where the product begins: (height, width), 0 to 1;
            None: there is none.

    Returns:
        The photograph's own pixels inside, transparent black outside.
    """
    height, width = pixels.shape[:2]
    tall, wide = product.shape
    scale = max(1.0, width / wide)
    depth = max(INSIDE, round(RINGING / scale))
    inside = _enlarged(eroded(product, depth), (width, height))
    maybe = _enlarged(dilated(product, OUTSIDE), (width, height))
    found = np.empty((height, width, 4), np.uint8)
    np.multiply(pixels, maybe[..., None], out=found[..., :3])
    np.multiply(inside, np.uint8(255), out=found[..., 3])
    rows, columns = np.nonzero(maybe & ~inside)
    if not rows.size:
        return found
    small_rows, small_columns = rows * tall // height, columns * wide // width
    down, across = _inwards(product)
    band = _Band(
        rows=rows,
        columns=columns,
        down=down[small_rows, small_columns],
        across=across[small_rows, small_columns],
    )
    reach = int(np.ceil(scale * (depth + OUTSIDE))) + 1
    lit = ground = backdrop[small_rows, small_columns]
    if light is not None:
        ground = lit * light[small_rows, small_columns, None]
    differs = np.abs(pixels[rows, columns] - ground).max(axis=1) > tolerance
    believed = product[small_rows, small_columns] & differs
    alpha, colour = _unmixed(pixels, band, ground, believed, reach)
    found[rows, columns, :3] = np.where(alpha[:, None] > 0, colour + 0.5, 0).astype(np.uint8)
    found[rows, columns, 3] = (alpha * 255 + 0.5).astype(np.uint8)
    fringe = _as_a_shadow(pixels[rows, columns], lit) & _parted(found, band, reach)
    found[rows[fringe], columns[fringe]] = 0
    return found


def _as_a_shadow(own: Rgb, ground: Floats) -> npt.NDArray[np.bool_]:
    """Match colours that are the backdrop's with less light."""
    left = own / np.maximum(ground, 1)
    tint = left.max(axis=1) - left.min(axis=1)
    return np.asarray((tint <= NEUTRAL) & (left.mean(axis=1) < 1))


def _parted(found: Rgba, band: _Band, reach: int) -> npt.NDArray[np.bool_]:
    """Match pixels that something parts from the product: on the way there it is less product."""
    lowest = found[band.rows, band.columns, 3].astype(np.float32)
    own, parted = lowest.copy(), np.zeros(lowest.shape, np.bool_)
    for step in range(1, reach + 1):
        here = band.alpha(found, step)
        lowest = np.minimum(lowest, here)
        parted |= (lowest < PARTED * own) & (here >= WHOLE)
    return parted


def _enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    levels = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(levels.resize(size, Image.Resampling.NEAREST)) > 0


def _inwards(product: Mask) -> tuple[Floats, Floats]:
    """Return which way the product is, as unit vectors, down and across."""
    field = blurred(blurred(product.astype(np.float32), 2), 2)
    down, across = np.gradient(field)
    length = np.maximum(np.hypot(down, across), 1e-6)
    return (down / length).astype(np.float32), (across / length).astype(np.float32)


def _unmixed(
    pixels: Rgb, band: _Band, ground: Floats, believed: Mask, reach: int
) -> tuple[Floats, Floats]:
    """Find each pixel's alpha, in [0, 1], and its product's colour, in levels."""
    own = band.colours(pixels, 0)
    product = _beyond(pixels, band, ground, range(reach + 1))
    backdrop = _beyond(pixels, band, product, range(0, -reach - 1, -1))
    contrast = product - backdrop
    strength = _dot(contrast, contrast)
    alpha = _dot(own - backdrop, contrast) / np.maximum(strength, 1)
    alpha = np.clip(alpha, 0, 1)
    strange = own - backdrop - alpha[:, None] * contrast
    alpha = np.where(_dot(strange, strange) > STRANGE**2 * strength + FAINT**2, 1, alpha)
    alpha = np.where(strength < FAINT**2, believed, alpha)
    sure = np.asarray(np.clip((alpha - SURE) / (1 - 2 * SURE), 0, 1), np.float32)
    return sure, _without_backdrop(own, product, backdrop, sure)


def _beyond(pixels: Rgb, band: _Band, other: Floats, steps: range) -> Floats:
    """Walk away from one side's colour, and return the first colour that is the other side's."""
    walked = np.stack([band.colours(pixels, step) for step in steps])
    away = walked - other
    far = np.sqrt(np.einsum("snc,snc->sn", away, away))
    rises = np.append(far[1:] > far[:-1] * (1 + GROWTH) + 1, np.zeros_like(far[:1], bool), axis=0)
    there = ~rises & (far >= ACROSS * far.max(axis=0))
    first = there.argmax(axis=0)
    return np.asarray(walked[first, np.arange(first.size)])


def _without_backdrop(own: Floats, product: Floats, backdrop: Floats, alpha: Floats) -> Floats:
    """Take the backdrop out of the edge's colours; where little is left, take the product's."""
    share = alpha[:, None]
    solved = np.clip((own - (1 - share) * backdrop) / np.maximum(share, 0.1), 0, 255)
    mixed = share * solved + (1 - share) * product
    return np.asarray(np.where(share >= 1, own, mixed), np.float32)


def _dot(first: Floats, second: Floats) -> Floats:
    return np.asarray(np.einsum("nc,nc->n", first, second))
