"""A background's tone brought nearer to its product's; the product stays what it is.

A product's colours are its own and say little of its light. What says something are those of its
pixels that hardly have a colour, white and grey ones: they have their tint from the light.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalogue.cutouts.model import Rgb, Rgba

Levels = npt.NDArray[np.float32]

LOOK = 160
"""Side, in pixels, at which tones are compared."""
NEUTRAL = 0.18
"""Saturation up to which a pixel has no colour of its own."""
LIT = (60, 250)
"""Levels between which a tint can be seen."""
ENOUGH = 0.04
"""Share of such pixels from which on they say something."""
WARMER = 0.05
"""Share by which a channel is changed at most."""
HALF_WAY = 0.5
"""How far tones and tints go towards the product's."""
GAMMAS = (0.82, 1.18)
"""What the background's tones are bent by, at most."""
BRIGHT = 0.8
"""Share of pixels that are darker than what counts as the light's level."""


def harmonised(background: Rgb, product: Rgba) -> Rgb:
    """Return a background in tones, and in a light, nearer to its product's.

    Args:
        background: Any size.
        product: Any size; where alpha is 255 its colours count.
    """
    scene, thing = _colours(background), _own_colours(product)
    if not len(thing):
        return background
    gamma = _gamma(scene, thing)
    gains = _gains(scene, thing)
    curve = 255 * np.linspace(0, 1, 256)[:, None] ** gamma * gains
    table = np.rint(np.clip(curve, 0, 255)).astype(np.uint8)
    return np.stack([table[background[..., one], one] for one in range(3)], axis=2)


def _colours(pixels: Rgb) -> Levels:
    small = Image.fromarray(pixels).resize((LOOK, LOOK), Image.Resampling.BOX)
    return np.asarray(small, np.float32).reshape(-1, 3)


def _own_colours(product: Rgba) -> Levels:
    step = max(1, max(product.shape[:2]) // LOOK)
    some = product[::step, ::step].reshape(-1, 4)
    return np.asarray(some[some[:, 3] == 255][:, :3], np.float32)


def _gamma(scene: Levels, thing: Levels) -> float:
    """Return by what the scene's light level comes half way to the product's."""
    levels = [float(np.quantile(one.mean(axis=1), BRIGHT)) for one in (scene, thing)]
    here, there = (min(max(level, 30.0), 235.0) / 255 for level in levels)
    target = here + HALF_WAY * (there - here)
    return min(max(float(np.log(target) / np.log(here)), GAMMAS[0]), GAMMAS[1])


def _gains(scene: Levels, thing: Levels) -> Levels:
    """Return what each channel is multiplied by, with the light as a whole unchanged."""
    tints = [_tint(one) for one in (scene, thing)]
    if tints[0] is None or tints[1] is None:
        return np.ones(3, np.float32)
    gains = (tints[1] / tints[0]) ** HALF_WAY
    return np.asarray(np.clip(gains / gains.mean(), 1 - WARMER, 1 + WARMER), np.float32)


def _tint(colours: Levels) -> Levels | None:
    """Return the colour of what has none, as shares of its mean; None: there is too little."""
    high, low = colours.max(axis=1), colours.min(axis=1)
    neutral = (high - low <= NEUTRAL * high) & (low >= LIT[0]) & (high <= LIT[1])
    if neutral.mean() < ENOUGH:
        return None
    mean = colours[neutral].mean(axis=0)
    return np.asarray(mean / mean.mean(), np.float32)
