"""Writes a watermark into pixels: some levels of light, more where a picture is uneven."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from core.pictures.watermark.code import ACROSS, DOWN, PERIODS, SIDE, Payload, code_book

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float32]

LEAST_SIDE = 256
"""Pixels of the shorter side below which a picture has too few for a mark that is found again."""
DECIBELS = 45.3
"""Peak signal to noise of what is changed, before levels are rounded."""
_HALF = 2
_FLOOR, _UNEVEN, _LEAST, _MOST = 2.0, 8.0, 0.6, 2.0
"""How the strength follows the deviation among neighbours, in levels: less than `_LEAST` of the
usual is lost to JPEG, and more than `_MOST` can be seen."""


def embed(pixels: Pixels, payload: Payload, key: bytes, *, keep: Mask | None = None) -> Pixels:
    """Return a picture with a watermark.

    The same arguments give the same pixels.

    Args:
        pixels: (height, width, 3), sRGB.
        payload: What the mark says.
        key: Whose mark it is: see `core.pictures.marking.derive_key`.
        keep: (height, width), where nothing is changed; None: nowhere.

    Returns:
        (height, width, 3); the same array where `has_room` says that there is none for a mark.
    """
    height, width = pixels.shape[:2]
    if not has_room(width, height) or (keep is not None and keep.all()):
        return pixels
    return _added(pixels, _change(pixels, payload, key, keep))


def lift(pixels: Pixels, payload: Payload, key: bytes) -> Pixels:
    """Return a picture without the watermark that `embed` wrote, all but the rounding.

    What looks for backdrops and soft shadows, a level or two of light, would find the mark.

    Args:
        pixels: (height, width, 3), as `embed` returned them, kept without loss.
        payload: What the mark says.
        key: Whose mark it is.

    Returns:
        (height, width, 3); the same array where this mark is not in it.
    """
    height, width = pixels.shape[:2]
    if not has_room(width, height):
        return pixels
    change = _change(pixels, payload, key, None)
    if not _is_in(pixels, change):
        return pixels
    # What came to the end of the levels was there before, most likely: white paper.
    full = (pixels == 255) & (change > 0)[..., None]
    empty = (pixels == 0) & (change < 0)[..., None]
    return np.where(full | empty, pixels, _added(pixels, -change))


_SURE = 8.0
"""Deviations of a known pattern's correlation from which on it is there."""


def _is_in(pixels: Pixels, change: Plane) -> bool:
    """Return whether a known pattern is in a picture, where it was written."""
    light = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    fine = np.asarray(light, np.float32) - np.asarray(light.filter(ImageFilter.BoxBlur(5)))
    agreed = fine * change
    spread = float(np.sqrt((agreed.astype(np.float64) ** 2).sum()))
    return spread > 0 and float(agreed.sum(dtype=np.float64)) / spread >= _SURE


def _change(pixels: Pixels, payload: Payload, key: bytes, keep: Mask | None) -> Plane:
    """Return by how many whole levels each pixel changes, (height, width)."""
    height, width = pixels.shape[:2]
    strength = _strength(pixels, keep)
    tile = _tile(payload.to_bytes(key), key, period(width, height))
    repeats = (-(-height // len(tile)), -(-width // len(tile)))
    change = np.tile(tile, repeats)[:height, :width] * strength
    if keep is not None:
        change[keep] = 0
    return np.asarray(np.rint(change, out=change))


def _added(pixels: Pixels, change: Plane) -> Pixels:
    """Add levels to each channel; Pillow does so with saturation, ten times as fast as NumPy."""
    shift = Image.fromarray((change + 128).astype(np.uint8))
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(ImageChops.add(picture, Image.merge("RGB", (shift, shift, shift)), 1, -128))


def has_room(width: int, height: int) -> bool:
    """Return whether a picture of a size has room for a mark."""
    return min(width, height) >= LEAST_SIDE


def period(width: int, height: int) -> int:
    """Return after how many pixels a picture's pattern repeats.

    It grows with the picture, so that scaling a large one down leaves the mark's waves.
    """
    return max(PERIODS, 8 * round(min(width, height) * PERIODS / SIDE / 8))


def _strength(pixels: Pixels, keep: Mask | None) -> Plane:
    """Return by how many levels each pixel's light changes: its deviation, (height, width)."""
    height, width = pixels.shape[:2]
    # Of half the size: noise of single pixels hides nothing of waves this long.
    light = Image.fromarray(np.ascontiguousarray(pixels)).reduce(_HALF).convert("L")
    levels = np.asarray(light, np.float32)
    mean = np.asarray(Image.fromarray(levels).reduce(_HALF))
    square = np.asarray(Image.fromarray(levels * levels).reduce(_HALF))
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    # Averaged over some blocks and back: the eye's own neighbourhood.
    small = Image.fromarray(deviation)
    smooth = small.reduce(4).resize(small.size, Image.Resampling.BILINEAR)
    share = np.clip((np.asarray(smooth) + _FLOOR) / _UNEVEN, _LEAST, _MOST)
    changed: float = float(np.mean(share * share))
    if keep is not None:
        kept = Image.fromarray(np.where(keep, 0, 255).astype(np.uint8))
        weights = np.asarray(kept.reduce(_HALF).reduce(_HALF))
        total = float(weights.sum(dtype=np.float64))
        if total:
            changed = float((share * share * weights).sum(dtype=np.float64)) / total
    share *= 255 / 10 ** (DECIBELS / 20) / changed**0.5
    whole = Image.fromarray(share).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(whole)


@lru_cache(maxsize=8)
def _tile(payload: bytes, key: bytes, side: int) -> npt.NDArray[np.float32]:
    """Return a repetition of the pattern, of deviation 1: (side, side)."""
    spectrum = np.zeros((side, side), np.complex64)
    spectrum[DOWN, ACROSS] = code_book(key).waves(payload)
    pattern = np.fft.ifft2(spectrum).real
    return np.asarray(pattern / pattern.std(), np.float32)
