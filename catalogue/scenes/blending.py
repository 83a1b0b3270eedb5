"""A product whose surroundings are generated around it: what the model is given, and what is kept.

The model sees the product at its own small size and may change what is around it (masked blending:
`worker.walk.Source`). What it gives is enlarged, and the product's own pixels are put back.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalogue.cutouts.model import Cutout, Mask, Rgb
from catalogue.cutouts.pasting import paste
from catalogue.cutouts.placement import PlacementRule, place
from catalogue.cutouts.resampling import resample
from catalogue.scenes.composing import Composition, pasted, placed_product
from catalogue.scenes.enlarging import Window, enlarged
from catalogue.scenes.expansion import expansion

CELL = 8
"""Pixels of an image for one of its latents, down and across."""

LatentMask = npt.NDArray[np.float32]
"""(1, height, width) in latents: 1 where a row may change its picture, 0 where that stays."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BlendSource:
    """What a masked row begins with."""

    pixels: Rgb
    """(height, width, 3), at the model's size: the product in what its surroundings are filled
    with."""
    mask: LatentMask


def blend_source(
    product: Cutout,
    rule: PlacementRule,
    size: tuple[int, int],
    *,
    fill: Rgb | tuple[int, int, int],
    cell: int = CELL,
) -> BlendSource:
    """Show a product to the model where it will stand on its canvas.

    Args:
        product: The product.
        rule: The canvas, and where on it the product stands.
        size: Width and height at which the model draws, in whole cells.
        fill: What its surroundings are before they are generated: the scene's colour, or a picture
            of the model's size. White would be drawn on as white.
        cell: Pixels for one latent.

    Raises:
        NothingToPlaceError: The cut-out is empty.
    """
    spot = place(product.pixels[..., 3], rule)
    window = shown_window(size, (rule.width, rule.height))
    scale = (window.right - window.left) / rule.width
    wide, tall = (max(1, round(side * scale)) for side in spot.size)
    small = resample(placed_product(product, spot), (wide, tall))
    left, top = round(window.left + spot.left * scale), round(window.top + spot.top * scale)
    pixels = np.array(np.broadcast_to(np.asarray(fill, np.uint8), (size[1], size[0], 3)))
    seen = pixels[top : top + tall, left : left + wide]
    # A product may end half a pixel beyond the frame.
    small = small[: seen.shape[0], : seen.shape[1]]
    paste(small, seen)
    changeable = np.ones((size[1], size[0]), np.bool_)
    changeable[top : top + tall, left : left + wide] = small[..., 3] < 255
    return BlendSource(pixels=pixels, mask=latent_mask(changeable, cell))


def latent_mask(changeable: Mask, cell: int = CELL) -> LatentMask:
    """Return which latents a row may change: all with a pixel that it may, and those beside them.

    A latent stands for all of its pixels and knows of its neighbours', so that a mask of fewer of
    them leaves seams; what of the product this lets go is put back at the end.

    Args:
        changeable: (height, width), in whole cells.
        cell: Pixels for one latent.

    Raises:
        ValueError: The sides are not whole cells.
    """
    height, width = changeable.shape
    if height % cell or width % cell:
        raise ValueError(f"{width} × {height} pixels are not whole cells of {cell}")
    cells = changeable.reshape(height // cell, cell, width // cell, cell).any(axis=(1, 3))
    padded = np.pad(cells, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    grown = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return np.asarray(grown[None], np.float32)


def put_back(
    generated: Rgb,
    product: Cutout,
    rule: PlacementRule,
) -> Composition:
    """Enlarge what the model gave, and put the product's own pixels back.

    Args:
        generated: At the model's size, of a row that began with `blend_source` of the same rule.
        product: The product.
        rule: The canvas, and where on it the product stands.

    Raises:
        NothingToPlaceError: The cut-out is empty.
    """
    spot = place(product.pixels[..., 3], rule)
    size = (rule.width, rule.height)
    window = shown_window((generated.shape[1], generated.shape[0]), size)
    canvas = enlarged(generated, window, size)
    placed = placed_product(product, spot)
    return pasted(canvas, placed, spot, expansion_of=expansion)


def shown_window(size: tuple[int, int], canvas: tuple[int, int]) -> Window:
    """Return what of a picture of some size is shown on a canvas: its middle."""
    wide = min(size[0], size[1] * canvas[0] / canvas[1])
    tall = wide * canvas[1] / canvas[0]
    left, top = (size[0] - wide) / 2, (size[1] - tall) / 2
    return Window(left=left, top=top, right=left + wide, bottom=top + tall)


def scene_colour(background: Rgb) -> tuple[int, int, int]:
    """Return the colour that a scene has in the mean, to fill a product's surroundings with."""
    small = Image.fromarray(background).resize((1, 1), Image.Resampling.BOX)
    red, green, blue = np.asarray(small)[0, 0]
    return int(red), int(green), int(blue)
