"""Shadows under placed products, as the light that they leave."""

import numpy as np
from PIL import Image, ImageFilter

from catalogue.cutouts.model import Alpha, Light
from catalogue.cutouts.placement import Spot
from core.domain.photograph_spec import Shadow

__all__ = ["Shadow", "contact", "moved"]

STRENGTH = 0.42
"""Light that a contact shadow takes where it is darkest."""
FLAT = 0.1
"""Height of a contact shadow as a share of its product's."""
SOFT = 0.02
"""How soft it is: its blur as a share of the product's longer side."""
COARSE = 4
"""How much smaller a contact shadow is drawn: it has no details."""


def contact(alpha: Alpha, spot: Spot, canvas: tuple[int, int]) -> Light:
    """Draw a shadow beneath a product: its outline laid flat, and blurred.

    Args:
        alpha: Of the product in its size on the canvas.
        spot: Where it is.
        canvas: Width and height.
    """
    width, height = (max(1, -(-side // COARSE)) for side in canvas)
    wide = max(1, spot.size[0] // COARSE)
    flat = max(2, round(spot.size[1] * FLAT / COARSE))
    lying = Image.fromarray(alpha).resize((wide, flat), Image.Resampling.BOX)
    ground = Image.new("L", (width, height))
    bottom = (spot.top + spot.size[1]) // COARSE
    # Half of it is behind the product's foot, half before it.
    ground.paste(lying, (spot.left // COARSE, bottom - flat // 2 - 1))
    blur = max(1.0, SOFT * max(spot.size) / COARSE)
    dark = np.asarray(ground.filter(ImageFilter.GaussianBlur(blur)), np.float32) / 255
    light = Image.fromarray((255 * (1 - STRENGTH * dark) + 0.5).astype(np.uint8))
    return np.asarray(light.resize(canvas, Image.Resampling.BILINEAR))


def moved(light: Light, spot: Spot, canvas: tuple[int, int]) -> Light:
    """Bring a photograph's own shadow to where its product is.

    Args:
        light: In the photograph's frame.
        spot: Where the product is.
        canvas: Width and height.
    """
    height, width = light.shape
    size = (max(1, round(width * spot.scale)), max(1, round(height * spot.scale)))
    scaled = Image.fromarray(light)
    if size != (width, height):
        scaled = scaled.resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    left, top = (round(side * spot.scale) for side in spot.source[:2])
    ground = Image.new("L", canvas, 255)
    ground.paste(scaled, (spot.left - left, spot.top - top))
    return np.asarray(ground)
