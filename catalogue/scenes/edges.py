"""The edge of a product that a mask cut out: without the colours of what was behind.

Where the backdrop was plain, `catalogue.cutouts.edges` has solved for them. A mask or a network
gives alpha alone, and the pixels along the edge still are mixtures with the old background.
"""

import numpy as np
import numpy.typing as npt

from catalogue.cutouts.model import Cutout, Method, Rgba
from catalogue.renditions.regions import blurred

REACHES = (1, 3, 8)
"""Pixels within which whole product is looked for, the nearest first."""
MIXED = (Method.MASK, Method.NETWORK)
"""How cut-outs are made whose edges still have their photograph's colours."""

Levels = npt.NDArray[np.float32]


def with_own_colours(cutout: Cutout, box: tuple[int, int, int, int]) -> Rgba:
    """Return a product's pixels with the colours along its edge taken from the product beside it.

    Pixels that are whole product stay as they are, and so do those that have none near, as in hair
    and glass.

    Args:
        cutout: The product.
        box: What is returned of it: left, top, right, bottom.
    """
    left, top, right, bottom = box
    pixels = cutout.pixels[top:bottom, left:right]
    if cutout.method not in MIXED:
        return pixels
    whole = pixels[..., 3] == 255
    edge = (pixels[..., 3] > 0) & ~whole
    if not edge.any() or not whole.any():
        return pixels
    found = pixels.copy()
    share = whole.astype(np.float32)
    for reach in REACHES:
        near = blurred(share, reach)[edge]
        there = near > 0.5 / (2 * reach + 1) ** 2
        colours = [
            blurred(np.asarray(pixels[..., one] * share, np.float32), reach)[edge]
            for one in range(3)
        ]
        mean = np.stack(colours, axis=1)[there] / near[there, None]
        rows, columns = (side[there] for side in np.nonzero(edge))
        found[rows, columns, :3] = (mean + 0.5).clip(0, 255).astype(np.uint8)
        edge[rows, columns] = False
        if not edge.any():
            break
    return found
