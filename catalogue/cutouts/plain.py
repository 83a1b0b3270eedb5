"""A product before a plain backdrop: white, grey, coloured, unevenly lit, with its soft shadow.

What is product is decided at a size at which noise and edges look alike in all photographs; where
exactly it ends is then found among the photograph's own pixels.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from catalogue.cutouts.edges import refine
from catalogue.cutouts.model import Light, Mask, Rgb, Rgba
from catalogue.cutouts.shade import find_shadow, outlines
from catalogue.renditions.backdrop import Levels
from catalogue.renditions.matte import Matte, before_shadow, soft_shadow, with_shadow
from catalogue.renditions.regions import Labels, blurred, components, dilated, eroded

WORK = 448
"""Longer side, in pixels, at which product and backdrop are told apart."""
UNEVEN = 10.0
"""Levels by which a backdrop may differ from a smooth surface; what does more is no plain one."""
DUST = 0.01
"""Share of the largest part's pixels below which another part is none of the product."""
CLEAR, CLEAR_TIMES = 24.0, 3.0
"""Levels, and tolerances, from the backdrop that a product has around a place where it shows
through. A white product is nowhere so far from white paper: what looks like the paper in it may be
the product, and on white it makes no difference."""
CLEAR_SHARE = 0.75
"""Share of such a place's border that must be so."""
BORDER = 7
"""Pixels around it within which that is looked for, at `WORK`: JPEG lets edges ring."""
THIN = 2
"""Half the width, in pixels, of what is too narrow for a shadow."""
RIM = 4
"""Pixels within which an outline has an edge."""
NEAREST = (12, 4, 1)
"""Pixels around a product's edge in which the light beside it is looked for; the nearest win."""
SMALLEST = 6
"""Pixels of such a place, at `WORK`; noise has smaller ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainCutout:
    """What was found before a plain backdrop."""

    pixels: Rgba
    shadow: Light
    product: Mask
    """At `WORK`."""
    holes: float
    """Share of the product's area in which the backdrop shows through it."""
    faint: float
    """Share of its outline that can hardly be told from the backdrop."""


def cut_from_backdrop(pixels: Rgb) -> PlainCutout | None:
    """Cut a product out; None: the backdrop is not plain."""
    small = at_work_size(pixels)
    found = before_shadow(small)
    if found.backdrop.unevenness > UNEVEN:
        return None
    smooth = found.smooth
    # Soft first, and then by outlines: either alone loses white products (decision 0046).
    matte = with_shadow(small, found, soft_shadow(found))
    outline = outlines(smooth, matte.ground)
    shadow = find_shadow(smooth, matte.backdrop.levels, matte.ground, outline)
    whole = without_small_parts(~matte.ground & ~shadow)
    through = _seen_through(smooth, matte, whole)
    product = whole & ~through
    return PlainCutout(
        pixels=refine(
            pixels,
            product,
            matte.backdrop.levels,
            matte.tolerance,
            light=_light_beside(smooth, matte.backdrop.levels, shadow & ~whole, ~whole)
            if shadow.any()
            else None,
        ),
        shadow=_light(smooth, matte.backdrop.levels, shadow, (pixels.shape[1], pixels.shape[0])),
        product=product,
        holes=float(through.sum() / max(1, int(whole.sum()))),
        faint=max(matte.faint, _share_without(outline[1], product)),
    )


def without_small_parts(product: Mask) -> Mask:
    """Leave out what is small beside the largest part and apart from it: dust, noise."""
    parts = components(product)
    sizes = parts.sizes()
    sizes[0] = 0
    return parts.among(sizes >= max(1.0, DUST * sizes.max())) & product


def at_work_size(pixels: Rgb) -> Levels:
    """Return a photograph in levels, its longer side `WORK` at most."""
    height, width = pixels.shape[:2]
    factor = WORK / max(height, width)
    if factor >= 1:
        return pixels.astype(np.float32)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BOX, reducing_gap=2)
    return np.asarray(small, np.float32)


def _share_without(outline: Mask, product: Mask) -> float:
    """Return the share of a product's outline where no edge is near: a shadow's end, or white."""
    rim = product & ~eroded(product, 1)
    return 1 - float(np.mean(dilated(outline, RIM)[rim])) if rim.any() else 0.0


def _seen_through(smooth: Levels, matte: Matte, product: Mask) -> Mask:
    """Find backdrop that the product encloses, or leaves only a narrow way to."""
    away = np.abs(smooth - matte.backdrop.levels).max(axis=2)
    near = eroded(dilated((away <= matte.tolerance) & product, 1), 1) & product
    parts = components(near)
    large = parts.sizes() >= SMALLEST
    large[0] = False
    if not large.any():
        return np.zeros_like(near)
    labels = np.where(large[parts.labels], parts.labels, 0)
    close = _spread(labels, BORDER - 2)
    around = _spread(close, 2)
    ring = (around > 0) & (close == 0) & product
    clear = dilated(away > max(CLEAR, CLEAR_TIMES * matte.tolerance), 1)
    border = np.bincount(around[ring], minlength=parts.count + 1)
    strong = np.bincount(around[ring & clear], minlength=parts.count + 1)
    chosen = large & (strong >= CLEAR_SHARE * np.maximum(border, 1))
    return (chosen[close] & product & ~clear) | (chosen[labels] & product)


def _spread(labels: Labels, reach: int) -> Labels:
    """Return numbered parts with the pixels around them added to the nearest one."""
    grown = labels.copy()
    for _ in range(reach):
        around = grown.copy()
        for axis in (0, 1):
            for step in (1, -1):
                moved = np.roll(grown, step, axis=axis)
                around = np.where(around == 0, moved, around)
        grown = around
    return grown


def _light_beside(smooth: Levels, backdrop: Levels, shadow: Mask, around: Mask) -> Levels:
    """Return the light that a shadow leaves of the backdrop, (height, width), from 0 to 1.

    Where the product begins it is taken to be what it is nearest by.
    """
    light = _light_left(smooth, backdrop, shadow)
    # Beside the product its own colours are in the mean.
    known = eroded(around, 1)
    found = light
    for reach in NEAREST:
        weight = blurred(known.astype(np.float32), reach)
        near = blurred(light * known, reach) / np.maximum(weight, 1e-6)
        found = np.where(known, found, np.where(weight > 1e-4, near, found))
    return np.asarray(found, np.float32)


def _light_left(smooth: Levels, backdrop: Levels, shadow: Mask) -> Levels:
    """Return what a shadow leaves of the backdrop's light, (height, width), from 0 to 1."""
    light = smooth.mean(axis=2) / np.maximum(backdrop.mean(axis=2), 1)
    return np.where(shadow, np.minimum(light, 1), 1).astype(np.float32)


def _light(smooth: Levels, backdrop: Levels, shadow: Mask, size: tuple[int, int]) -> Light:
    """Return the light that is left where the backdrop is, at the photograph's size."""
    # Where it is thin it is the product's own soft rim.
    wide = dilated(eroded(shadow, THIN), THIN + 1) & shadow
    light = _light_left(smooth, backdrop, wide)
    levels = Image.fromarray(np.asarray(light * 255 + 0.5, np.uint8))
    return np.asarray(levels.resize(size, Image.Resampling.BILINEAR))
