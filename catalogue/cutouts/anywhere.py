"""A product before anything at all: a network finds it, and its edge is found among the pixels."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from catalogue.cutouts.edges import refine
from catalogue.cutouts.model import Alpha, Mask, Rgb, Rgba
from catalogue.cutouts.plain import WORK, at_work_size, without_small_parts
from catalogue.renditions.backdrop import Levels
from catalogue.renditions.regions import blurred

NEAR = (3, 9, 27)
"""Pixels at `WORK` from which what is behind the product is taken: the nearest there are."""
TOLERANCE = 12.0
"""Levels by which what is behind a product differs from its mean there."""
SURE = 0.25
"""Share within which of 0 or 1 a network is sure."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkCutout:
    """What a network found."""

    pixels: Rgba
    product: Mask
    """At `WORK`."""
    unsure: float
    """Share of the product's area in which the network cannot tell, its edge left out."""


def cut_by_network(pixels: Rgb, found: Alpha) -> NetworkCutout:
    """Cut a product out along the edge of what a network found, of the photograph's size."""
    small = at_work_size(pixels)
    height, width = small.shape[:2]
    share = Image.fromarray(found).resize((width, height), Image.Resampling.BOX)
    levels = np.asarray(share, np.float32) / np.float32(255)
    product = without_small_parts(levels >= 0.5)
    return NetworkCutout(
        pixels=refine(pixels, product, behind(small, product), TOLERANCE),
        product=product,
        unsure=_unsure(levels, product),
    )


def behind(small: Levels, product: Mask) -> Levels:
    """Return what is beside the product, as far as that reaches: (height, width, 3)."""
    outside = (~product).astype(np.float32)
    found = np.zeros_like(small)
    known = np.zeros_like(product)
    for reach in NEAR:
        weight = blurred(outside, reach)
        here = (weight > 0.02) & ~known
        mean = blurred(small * outside[..., None], reach) / np.maximum(weight, 1e-3)[..., None]
        found[here] = mean[here]
        known |= here
    return found


def _unsure(levels: Levels, product: Mask) -> float:
    """Return the share of a product's area that is neither, beyond the width of an edge."""
    middling = np.abs(levels - 0.5) < 0.5 - SURE
    # An edge is a few pixels wide at the network's own size; what is unsure is wider.
    wide = blurred(middling.astype(np.float32), max(2, WORK // 100)) > 0.7
    return float(wide.sum() / max(1, int(product.sum())))
