"""Drawn pictures with their products, in bulk and repeatable."""

from collections.abc import Sequence

import numpy as np

from starter.chance import seeded
from starter.data.attributes import Product
from starter.data.drawing import draw
from starter.data.pen import SIZE
from starter.scenes.pictures import Pictures


def draw_pictures(products: Sequence[Product], each: int, seed: int) -> Pictures:
    """Draw every product `each` times; picture i depends on the seed and i alone."""
    wanted = [product for product in products for _ in range(each)]
    pixels = np.empty((len(wanted), SIZE, SIZE, 3), np.uint8)
    for row, product in enumerate(wanted):
        pixels[row] = np.asarray(draw(product, seeded(f"{seed}/{row}")))
    return Pictures(pixels=pixels, products=tuple(wanted))
