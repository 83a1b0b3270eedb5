"""Cut-outs in another size: in linear light, premultiplied.

So edges take no colour of what was cut away, and bright details keep their light.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalogue.cutouts.model import Rgba

_STEPS = 2**16


def _to_light() -> npt.NDArray[np.float32]:
    """Return the light of each level (IEC 61966-2-1)."""
    levels = np.arange(256) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _to_level() -> npt.NDArray[np.uint8]:
    """Return the level of each of `_STEPS` lights; the darkest level has twenty of them."""
    light = np.arange(_STEPS) / (_STEPS - 1)
    levels = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (levels * 255 + 0.5).astype(np.uint8)


_LIGHT, _LEVEL = _to_light(), _to_level()


def resample(pixels: Rgba, size: tuple[int, int]) -> Rgba:
    """Scale a cut-out.

    Args:
        pixels: sRGB, alpha not premultiplied.
        size: Width and height.
    """
    share = np.asarray(pixels[..., 3] / np.float32(255), np.float32)
    alpha = _scaled(share, size)
    found = np.empty((*alpha.shape, 4), np.uint8)
    found[..., 3] = (np.clip(alpha, 0, 1) * 255 + 0.5).astype(np.uint8)
    # As Lanczos gave it: where it overshoots beside an edge, so do the colours.
    weight = np.maximum(alpha, np.float32(1 / 510))
    for channel in range(3):
        lit = np.asarray(_LIGHT[pixels[..., channel]] * share, np.float32)
        light = _scaled(lit, size) / weight
        steps = (np.clip(light, 0, 1) * (_STEPS - 1) + 0.5).astype(np.uint16)
        found[..., channel] = _LEVEL[steps]
    return np.asarray(found * (found[..., 3:] > 0), np.uint8)


def _scaled(values: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.LANCZOS))
