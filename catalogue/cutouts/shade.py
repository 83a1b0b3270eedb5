"""A product's soft shadow on its backdrop, told from a product that is as light as the shadow.

Light does not tell them apart: a white product's shaded side is as grey as its shadow. What does is
that a product has an outline and a shadow has none: an outline is there from one pixel to the next,
a shadow comes over many.
"""

import numpy as np

from catalogue.cutouts.model import Mask
from catalogue.renditions.backdrop import Levels
from catalogue.renditions.regions import blurred, components, dilated, eroded, flooded

SIDE = 448
"""Longer side of the photographs that pixels below are of; how sharp a shadow is goes with it."""
OUTLINE = 1.0
"""Levels by which a pixel differs from the mean of its neighbours beside an outline, at least."""
NOISE_TIMES = 1.8
"""How much more than nineteen of twenty pixels of the backdrop do."""
NEUTRAL = 0.05
"""Share of light by which a shadow's colours differ at most: walls and lamps have a tint."""
DARKEST = 0.3
"""Light that is left in a shadow at least."""
DEEP, DEEPER = 0.03, 0.45
"""Light that is gone somewhere in a shadow at least, and how much more where it is as large as all
that is no backdrop: what is large and faint is a white product."""
WAYS = (2, 7)
"""Pixels on either side of a way through which a shadow goes on: first narrow ones; where they lead
into the product, through gaps of its outline where both are of one level, wide ones."""
LARGEST = 0.6
"""Share of all that is no backdrop that a shadow is at most."""
OUTLINED = 0.5
"""Share of the border between a shadow and its product that is an outline, at least."""
WHOLE = 0.9
"""Share of what was reached through narrow ways that must be plausible, or wide ones are taken."""


def outlines(smooth: Levels, ground: Mask) -> tuple[Mask, Mask]:
    """Match pixels beside an edge that is no wider than a few pixels.

    Args:
        smooth: The photograph with little noise, (height, width, 3), in levels.
        ground: Where the backdrop is; its noise is no edge.

    Returns:
        Edges of light, and edges of light or colour: a red product may be as light as its shadow,
        but JPEG smears colours, so that the first are where an edge is.
    """
    apart = smooth - blurred(smooth, 2)
    light = _sharp(np.abs(apart.mean(axis=2)), ground)
    return light, light | _sharp(np.abs(apart).max(axis=2), ground)


def _sharp(sharpness: Levels, ground: Mask) -> Mask:
    """Match what is sharper than the backdrop's noise."""
    calm = sharpness[eroded(ground, 4)]
    noise = float(np.quantile(calm, 0.95)) if calm.size else 0.0
    least = OUTLINE * max(1.0, SIDE / max(ground.shape))
    return np.asarray(sharpness > max(least, NOISE_TIMES * noise))


def find_shadow(smooth: Levels, backdrop: Levels, ground: Mask, outline: tuple[Mask, Mask]) -> Mask:
    """Find the shadow around a product.

    Args:
        smooth: The photograph with little noise, (height, width, 3), in levels.
        backdrop: What each pixel would be without product and shadow.
        ground: Where the backdrop is.
        outline: Where edges are, as `outlines` gives them.
    """
    light = [smooth[..., one] / np.maximum(backdrop[..., one], 1) for one in range(3)]
    mean = (light[0] + light[1] + light[2]) / 3
    tint = np.maximum.reduce(light) - np.minimum.reduce(light)
    may_be = (tint <= NEUTRAL) & (mean > DARKEST) & (mean < 1) & ~ground
    free = ground | (may_be & ~outline[0])
    for narrow in WAYS:
        way = max(1, round(narrow * max(ground.shape) / SIDE))
        reached = flooded(eroded(free, way), ground)
        # Beside an outline its own width is missing, on the shadow's side as on the product's; a
        # wide way's would be a white product's whole rim.
        start = reached if narrow == WAYS[0] else reached & ~ground
        candidate = dilated(start, way + 1) & may_be
        shadow = _plausible(candidate, ground, outline[1], np.asarray(1 - mean, np.float32))
        if np.count_nonzero(shadow) >= WHOLE * np.count_nonzero(candidate):
            break
    return shadow


def _plausible(shadow: Mask, ground: Mask, outline: Mask, gone: Levels) -> Mask:
    """Keep parts that are dark somewhere, and that an outline parts from the product."""
    parts = components(shadow)
    beside = dilated(~shadow & ~ground, 1) & shadow
    borders = np.bincount(parts.labels[beside], minlength=parts.count + 1)
    outlined = beside & dilated(outline, 2)
    sharp = np.bincount(parts.labels[outlined], minlength=parts.count + 1)
    share = parts.sizes() / max(1, int((~ground).sum()))
    kept = (parts.highest(gone) >= DEEP + DEEPER * share) & (share <= LARGEST)
    kept &= (borders > 0) & (sharp >= OUTLINED * borders)
    kept[0] = False
    return parts.among(kept)
