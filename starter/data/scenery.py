"""Backgrounds and patterns: what surrounds a product and what is printed on it."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from starter.data.attributes import Background, Colour, Pattern
from starter.data.pen import OVERSAMPLING, SIZE, Placement

Pixels = npt.NDArray[np.float32]
"""(height, width, 3), 0 to 255."""

PAINTS: dict[Colour, tuple[int, int, int]] = {
    Colour.RED: (214, 32, 38),
    Colour.ORANGE: (248, 130, 22),
    Colour.YELLOW: (250, 212, 28),
    Colour.GREEN: (36, 146, 66),
    Colour.BLUE: (32, 84, 208),
    Colour.PURPLE: (122, 52, 168),
    Colour.PINK: (246, 122, 178),
    Colour.BROWN: (112, 66, 34),
    Colour.BLACK: (38, 38, 42),
    Colour.WHITE: (246, 246, 244),
}
"""Body colours."""

_LIGHT_PRINT = (250, 249, 244)
_DARK_PRINT = (92, 104, 124)

PRINTS: dict[Colour, tuple[int, int, int]] = {
    colour: _DARK_PRINT if colour in (Colour.WHITE, Colour.YELLOW) else _LIGHT_PRINT
    for colour in Colour
}
"""Colours of stripes and dots: dark where off-white ones would not show."""


def paint(red: int, green: int, blue: int) -> Pixels:
    """Return a colour that arithmetic spreads over an area, (3,) float32."""
    return np.array((red, green, blue), np.float32)


def paint_background(background: Background, light: float) -> Pixels:
    """Paint an empty scene; `light` (about 1) dims every background but white, which stays 255."""
    canvas = np.empty((SIZE, SIZE, 3), np.float32)
    down = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None, None]
    match background:
        case Background.WHITE:
            # Market places ask for exactly 255, 255, 255, so light has no say here.
            canvas[:] = 255
            return canvas
        case Background.GREY:
            canvas[:] = paint(178, 180, 184) * (1.06 - 0.18 * down)
        case Background.BEIGE:
            canvas[:] = paint(240, 216, 176) * (1.03 - 0.1 * down)
        case Background.MINT:
            canvas[:] = paint(160, 226, 196) * (1.05 - 0.14 * down)
        case Background.WOOD:
            canvas[:] = paint(226, 229, 234) * (1.02 - 0.1 * down)
            _lay_planks(canvas)
    return np.clip(canvas * light, 0, 255)


def _lay_planks(canvas: Pixels) -> None:
    edges = (80, 91, 105, 128)
    for row, (top, bottom) in enumerate(pairwise(edges)):
        canvas[top:bottom] = paint(190, 134, 80) * (1.0 + 0.06 * (row - 1))
        canvas[top : top + 2] = (142, 94, 52)


def pattern_mask(pattern: Pattern, placement: Placement) -> Image.Image | None:
    """Draw where the print goes, as an oversampled "L" image, or None for a plain product.

    The print moves with the product. It is coarse on purpose: the autoencoder sees the picture
    through cells of 8x8 pixels.
    """
    if pattern is Pattern.PLAIN:
        return None
    side = SIZE * OVERSAMPLING
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    period = 0.15
    if pattern is Pattern.STRIPED:
        for row in range(9):
            _, top = placement.apply((0, row * period + 0.01))
            _, bottom = placement.apply((0, row * period + 0.08))
            draw.rectangle((0, top * side, side, bottom * side), fill=255)
        return mask
    radius = 0.043 * side
    for row in range(9):
        for column in range(9):
            x, y = placement.apply(((column + row % 2 / 2) * period, row * period * 0.82 + 0.02))
            box = (x * side - radius, y * side - radius, x * side + radius, y * side + radius)
            draw.ellipse(box, fill=255)
    return mask
