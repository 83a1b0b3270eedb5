"""What a product's shadow leaves of the light on a scene's ground.

Three parts, as a soft light from above leaves them: a dark line where it touches the ground, a soft
darkness around its foot, and a faint shadow that falls away from the light.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from catalogue.cutouts.model import Alpha, Light, Rgb
from catalogue.cutouts.placement import Spot

Share = npt.NDArray[np.float32]
"""(height, width), from 0 to 1."""

COARSE = 4
"""How much smaller shadows are drawn: they have no details."""
FOOT = 0.1
"""Lower share of a product that is near the ground."""
LINE, LINE_DEPTH, LINE_SOFT = 0.6, 0.03, 0.008
"""Light that is gone where it touches; depth and blur as shares of the product's longer side."""
AROUND, AROUND_DEPTH, AROUND_SOFT = 0.38, 0.1, 0.035
FALLEN, FALLEN_LENGTH, FALLEN_SOFT = 0.2, 0.28, 0.03
"""The same of the shadow that falls: its length is a share of the product's height."""
LEAN = 0.55
"""How far it leans away from a light that comes from one side alone, as a share of its length."""
BEGINS = 0.03
"""Share of the height over which shadows end towards a wall."""
DARKEST = 0.72
"""Light that is gone at most."""


def on_ground(alpha: Alpha, spot: Spot, scene: Rgb) -> Light:
    """Draw the light that is left around a product that stands in a scene.

    Args:
        alpha: Of the product in its size on the canvas.
        spot: Where it is.
        scene: The canvas without it; which side is brighter decides where its shadow falls.
    """
    canvas = (scene.shape[1], scene.shape[0])
    size = (-(-canvas[0] // COARSE), -(-canvas[1] // COARSE))
    wide, tall = (max(1, side // COARSE) for side in spot.size)
    left, bottom = spot.left // COARSE, (spot.top + spot.size[1]) // COARSE
    longest = max(wide, tall)
    small = Image.fromarray(alpha).resize((wide, tall), Image.Resampling.BOX)
    foot = small.crop((0, tall - max(1, round(FOOT * tall)), wide, tall))
    line = _laid(foot, (left, bottom), LINE_DEPTH * longest, LINE_SOFT * longest, size)
    around = _laid(foot, (left, bottom), AROUND_DEPTH * longest, AROUND_SOFT * longest, size)
    fallen = _fallen(small, (left, bottom), _lean(scene), FALLEN_SOFT * longest, size)
    bright = (1 - LINE * line) * (1 - AROUND * around) * (1 - FALLEN * fallen)
    light = Image.fromarray((255 * np.maximum(bright, 1 - DARKEST) + 0.5).astype(np.uint8))
    return np.asarray(light.resize(canvas, Image.Resampling.BICUBIC))


def _laid(
    foot: Image.Image, at: tuple[int, int], depth: float, soft: float, size: tuple[int, int]
) -> Share:
    """Lay a product's foot flat where it stands: most of it is behind its front edge."""
    deep = max(2, round(depth))
    lying = foot.resize((foot.width, deep), Image.Resampling.BOX)
    ground = Image.new("L", size)
    ground.paste(lying, (at[0], at[1] - round(0.75 * deep)))
    return _softened(ground, soft)


def _fallen(
    product: Image.Image, at: tuple[int, int], lean: float, soft: float, size: tuple[int, int]
) -> Share:
    """Lay a product's whole outline back on the ground, away from the light."""
    left, bottom = at
    flat = FALLEN_LENGTH
    # A row of the shadow so far above the foot is the product's row so many times as far up.
    coefficients = (1, lean, -left - lean * bottom, 0, 1 / flat, product.height - bottom / flat)
    fallen = product.transform(
        size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return _softened(fallen, soft)


def _softened(ground: Image.Image, soft: float) -> Share:
    blur = ImageFilter.GaussianBlur(max(0.8, soft))
    return np.asarray(np.asarray(ground.filter(blur)) / np.float32(255), np.float32)


def _lean(scene: Rgb) -> float:
    """Return how far right a shadow leans for each row that it goes up."""
    small = Image.fromarray(scene).convert("L").resize((16, 16), Image.Resampling.BOX)
    halves = np.asarray(small, np.float32).reshape(16, 2, 8).mean(axis=(0, 2))
    brighter_left = (halves[0] - halves[1]) / max(float(halves.mean()), 1.0)
    return LEAN * float(np.clip(4 * brighter_left, -1, 1))


def off_the_wall(light: Light, ground: float) -> Light:
    """Return the light with no shadow above where the ground begins, a share of the height."""
    height = len(light)
    rows = np.arange(height) / height
    kept = np.clip((rows - ground) / BEGINS, 0, 1).astype(np.float32)
    begun = round(min(max(ground + BEGINS, 0), 1) * height)
    found = light.copy()
    dark = (255 - light[:begun]) * kept[:begun, None]
    found[:begun] = 255 - (dark + 0.5).astype(np.uint8)
    return found


def darken(pixels: Rgb, light: Light) -> None:
    """Take light away from a canvas, where there is less than all of it."""
    rows = np.flatnonzero((light < 255).any(axis=1))
    for row in range(int(rows[0]), int(rows[-1]) + 1) if rows.size else ():
        lit = pixels[row].astype(np.uint16) * light[row][:, None]
        pixels[row] = (lit + 127) // 255
