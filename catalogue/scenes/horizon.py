"""Where in a background the ground begins, and which part of it a product can stand in."""

import numpy as np
from PIL import Image

from catalogue.cutouts.model import Rgb
from catalogue.renditions.regions import blurred
from catalogue.scenes.enlarging import Window

WORK = 128
"""Side, in pixels, at which a background is looked at."""
HIGHEST, LOWEST = 0.2, 0.9
"""Shares of the height between which the ground begins."""
REACH = 5
"""Rows above and below that are compared."""
CLEAR = 9.0
"""Levels by which wall and ground differ along most of the width, at least."""
USUAL = 0.55
"""Where the ground is taken to begin if nothing shows it."""
FOOTING = 0.08
"""Share of the canvas's height by which a product stands below where the ground begins."""
CLOSEST = 1.3
"""Times that a background is enlarged beyond what fills the canvas, so that it can be moved."""


def find_horizon(background: Rgb) -> float | None:
    """Return where wall and ground meet, as a share of the height; None: nothing shows it."""
    small = Image.fromarray(background).resize((WORK, WORK), Image.Resampling.BOX)
    levels = np.asarray(small, np.float32)
    sums = np.cumsum(np.pad(blurred(levels, 1), ((1, 0), (0, 0), (0, 0))), axis=0)
    rows = np.arange(round(HIGHEST * WORK), round(LOWEST * WORK))
    above = (sums[rows] - sums[rows - REACH]) / REACH
    below = (sums[rows + REACH] - sums[rows]) / REACH
    # An edge of a thing on the wall is found in some columns, that of the wall itself in most; and
    # what goes up in one column and down in the next is a pattern.
    steps = np.abs(np.median(above - below, axis=1)).max(axis=1)
    best = int(steps.argmax())
    return float(rows[best]) / WORK if steps[best] >= CLEAR else None


def choose_window(background: Rgb, size: tuple[int, int], foot: float) -> Window:
    """Choose what of a background is shown: as much as fits, with ground under the product.

    Args:
        background: As it was generated.
        size: Width and height of the canvas.
        foot: How far down on the canvas the product stands, as a share of its height.
    """
    height, width = background.shape[:2]
    wide = min(width, height * size[0] / size[1])
    horizon = find_horizon(background)
    begins = (USUAL if horizon is None else horizon) * height
    wanted = max(foot - FOOTING, 0.05)
    for closer in np.linspace(1, CLOSEST, 7):
        across = wide / float(closer)
        down = across * size[1] / size[0]
        lowest = height - down
        # The ground begins at `wanted` of the canvas's height, or above.
        needed = begins - wanted * down
        if needed <= lowest:
            break
    usual = (height - down) / 2
    top = min(max(usual, needed, 0.0), lowest)
    left = (width - across) / 2
    ground = None if horizon is None else (begins - top) / down
    return Window(left=left, top=top, right=left + across, bottom=top + down, ground=ground)
