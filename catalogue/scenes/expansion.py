"""How much larger a product is in a picture than it was placed: the share E of its area.

E = (area(what looks like it ∪ mask) − area(mask)) / area(mask). Generated surroundings go on
drawing what they see: a handle gets longer, a foot wider. What looks like the product is what
differs from the background where that is known; else what goes on from the product's edge in its
colour.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalogue.cutouts.model import Alpha, Mask, Rgb
from catalogue.renditions.regions import dilated, eroded, flooded

DIFFERENT = 12
"""Levels by which a pixel differs at least from a background that is known."""
NEAR = 0.06
"""Share of the longer side within which what is found counts: farther off it is scenery."""
UNSURE = 0.004
"""Share of the longer side by which an outline that is found again may be wrong."""
WORK = 384
"""Longer side, in pixels, at which a product is looked for again."""
LIKE = 0.5
"""How much nearer a pixel's colour is to the product's edge than to the surroundings, at most, to
be taken for the product."""
ALIKE = 24.0
"""Levels by which it differs from the product's edge at most."""
EDGE = 2
"""Pixels of a product, at `WORK`, that are mixed with what is beside it."""
NEUTRAL = 0.1
"""Share of light by which a shadow's colours differ at most."""
FOOT = 0.25
"""Lower share of a product beside which its shadow is."""
APART = 14.0
"""Levels between the two below which nobody can tell."""

Levels = npt.NDArray[np.float32]


def difference(pixels: Rgb, ground: Rgb) -> Mask:
    """Match what differs from a background that is known."""
    away = np.abs(pixels.astype(np.int16) - ground)
    return np.asarray(away.max(axis=2) >= DIFFERENT)


def grown_share(found: Mask, product: Mask) -> float:
    """Return E of what was found, in an outline that is exact."""
    area = int(np.count_nonzero(product))
    return float(np.count_nonzero(found & ~product)) / max(1, area)


def expansion(pixels: Rgb, mask: Alpha) -> float:
    """Return E in a picture whose background is not known.

    Args:
        pixels: The picture.
        mask: The product's alpha on it, as it was placed.
    """
    small, product = _at_work_size(pixels, mask)
    if not product.any():
        return 0.0
    size = max(product.shape)
    near = dilated(product, max(2, round(NEAR * size)))
    found = _going_on(small.astype(np.float32), product, near)
    extra = flooded((found | product) & near, product) & ~product
    # An outline that is found anew is wrong by a pixel or two, and only what is beyond that grew.
    slack = max(1, round(UNSURE * size))
    beyond = extra & ~dilated(product, slack)
    grown = beyond | (dilated(beyond, slack) & extra)
    return float(np.count_nonzero(grown)) / int(np.count_nonzero(product))


def _at_work_size(pixels: Rgb, mask: Alpha) -> tuple[Rgb, Mask]:
    """Scale a picture and its mask; any part of the product makes a pixel the product's."""
    height, width = mask.shape
    factor = min(1.0, WORK / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    alpha = Image.fromarray(mask).resize(size, Image.Resampling.BOX)
    return np.asarray(small), np.asarray(alpha) >= 32


def _going_on(pixels: Levels, product: Mask, near: Mask) -> Mask:
    """Match pixels around a product that have its edge's colour rather than the surroundings'."""
    ring = near & ~product
    steps = int(np.ceil(NEAR * max(product.shape))) + 2
    # The outermost pixels of the product are mixtures.
    within = eroded(product, EDGE)
    inner = _spread(pixels, within if within.any() else product, steps + EDGE)
    outer = _spread(pixels, ~near, steps)
    to_product, to_scene, apart = (
        np.abs(one - other).max(axis=2)
        for one, other in ((pixels, inner), (pixels, outer), (inner, outer))
    )
    like = (to_product <= LIKE * to_scene) & (to_product <= ALIKE)
    return np.asarray(ring & (apart >= APART) & like & ~_shadowed(pixels, outer, product))


def _shadowed(pixels: Levels, outer: Levels, product: Mask) -> Mask:
    """Match what, near a product's foot, is its surroundings with less light: its shadow."""
    left = pixels / np.maximum(outer, 8)
    dark = (left.max(axis=2) - left.min(axis=2) <= NEUTRAL) & (left.mean(axis=2) < 1)
    rows = np.flatnonzero(product.any(axis=1))
    dark[: int(rows[-1] - FOOT * (rows[-1] - rows[0]))] = False
    return np.asarray(dark)


def _spread(pixels: Levels, start: Mask, steps: int) -> Levels:
    """Return a picture with the colours of a part carried outwards, step by step."""
    colours, there = pixels * start[..., None], start.astype(np.float32)
    for _ in range(steps):
        total, weight = np.zeros_like(colours), np.zeros_like(there)
        for axis in (0, 1):
            for step in (1, -1):
                total += np.roll(colours, step, axis)
                weight += np.roll(there, step, axis)
        fresh = (there == 0) & (weight > 0)
        colours[fresh] = total[fresh] / weight[fresh, None]
        there[fresh] = 1
    return colours
