"""Backgrounds whose ground is known, and a product to put before them."""

import numpy as np

from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.model import Cutout
from tests.unit.catalogue.cutouts.drawing import photograph

SIDE = 96


def mug() -> Cutout:
    """Cut a red mug out, 145 × 140 pixels of it."""
    return cut_out(photograph(235, shadow=0.4)[0])


def room(horizon: float = 0.5, *, wall=(150, 150, 170), floor=(120, 80, 50), height: int = SIDE):
    """Return (height, SIDE, 3) of a wall above a floor."""
    pixels = np.empty((height, SIDE, 3), np.uint8)
    pixels[:] = floor
    pixels[: round(horizon * height)] = wall
    return pixels
