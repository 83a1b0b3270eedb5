"""Photographs whose true outline is known, because they are drawn."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 256
FOUR = 4
"""Times larger that outlines are drawn, so that their alpha is known."""


def product_alpha(*, hole: bool = False, shift: int = 0) -> np.ndarray:
    """Draw a mug's outline: (SIDE, SIDE), 0 to 1."""
    mask = Image.new("L", (SIDE * FOUR, SIDE * FOUR))
    draw = ImageDraw.Draw(mask)
    box = [side * FOUR for side in (70 + shift, 60, 170 + shift, 200)]
    draw.rounded_rectangle(box, 14 * FOUR, fill=255)
    draw.ellipse([side * FOUR for side in (145 + shift, 85, 215 + shift, 165)], fill=255)
    if hole:
        draw.ellipse([side * FOUR for side in (176 + shift, 104, 200 + shift, 146)], fill=0)
    small = mask.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def photograph(
    backdrop: np.ndarray | int,
    *,
    colour: tuple[int, int, int] = (180, 60, 50),
    hole: bool = False,
    shadow: float = 0.0,
    noise: float = 1.0,
    shift: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (SIDE, SIDE, 4) pixels, and the product's alpha."""
    rng = np.random.default_rng(5)
    alpha = product_alpha(hole=hole, shift=shift)
    ground = np.broadcast_to(np.asarray(backdrop, np.float32), (SIDE, SIDE, 3))
    shade = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(shade).ellipse((60 + shift, 188, 186 + shift, 214), fill=255)
    dark = np.asarray(shade.filter(ImageFilter.GaussianBlur(5)), np.float32) / 255 * shadow
    ground = ground * (1 - dark[..., None])
    across = np.linspace(0, 24, SIDE, dtype=np.float32)[None, :, None]
    product = np.clip(np.float32(colour) + 12 - across, 0, 255)
    mixed = product * alpha[..., None] + ground * (1 - alpha[..., None])
    mixed = mixed + rng.normal(0, noise, mixed.shape)
    pixels = np.full((SIDE, SIDE, 4), 255, np.uint8)
    pixels[..., :3] = np.clip(mixed + 0.5, 0, 255)
    return pixels, alpha


def gradient(top: float, bottom: float) -> np.ndarray:
    """Return a backdrop that is lit from above."""
    return np.linspace(top, bottom, SIDE, dtype=np.float32)[:, None, None]


def iou(found: np.ndarray, alpha: np.ndarray) -> float:
    """Compare a cut-out's alpha, of 255, with the truth."""
    kept, true = found > 127, alpha > 0.5
    return np.count_nonzero(kept & true) / np.count_nonzero(kept | true)
