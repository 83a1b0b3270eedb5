"""Finds a watermark in pixels, however they were scaled, cropped and compressed, and reads it.

A pattern that repeats has its spectrum on lines, which move with the picture's scale; a crop turns
their phases together. So a picture is transformed once, each scale reads its lines there, and one
inverse transform tries all positions. The statistic's tail is bounded whatever the picture is,
because the key's phases are random: `P(score > z) <= trials * exp(-z**2 / 2)` (Hoeffding's bound
for sums of a cosine of a random phase, and the union over what is tried).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.pictures.watermark.code import (
    ACROSS,
    DOWN,
    PERIODS,
    SIDE,
    CodeBook,
    Payload,
    Waves,
    code_book,
)
from core.pictures.watermark.embedding import LEAST_SIDE as LEAST_MARKED_SIDE
from core.pictures.watermark.embedding import Pixels

Plane = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]

LEAST_SIDE = LEAST_MARKED_SIDE // 4
"""Pixels of the shorter side below which nothing is looked for."""
SMALLEST, LARGEST = 0.33, 1.5
"""Scales of the pattern that are looked for, in the picture brought to `SIDE` at most."""
_STEP = 0.003
"""Between scales that are tried, as a share: the waves at the edges stay within a quarter."""
_SCALES = np.exp(np.arange(math.log(SMALLEST), math.log(LARGEST), _STEP))
_FINER = np.exp(np.linspace(-_STEP, _STEP, 7))
_COARSE, _FINE = 64, 256
"""Positions that are tried in each direction of a repetition."""
TRIALS = len(_SCALES) * _COARSE**2 + len(_FINER) * _FINE**2
FALSE_POSITIVES = 1e-7
"""Share of unmarked pictures, at most, of which a mark of a key is reported."""
THRESHOLD = math.sqrt(2 * math.log(TRIALS / FALSE_POSITIVES))
_NEAR, _AROUND = 5, 7
"""Radii in pixels of what is taken off as the picture's own, and of what evens its contrast out."""
_CLIP = 2.5


@dataclass(frozen=True, kw_only=True)
class Found:
    """A watermark in a picture."""

    score: float
    """The pilot's correlation in its deviations; at least `THRESHOLD`."""
    chance: float
    """How likely a picture without this mark has such a score, at most."""
    scale: float
    """The pattern's, in the picture brought to `SIDE` at most."""
    payload: Payload | None
    """What it says; None: too little is left to read it."""


def detect(pixels: Pixels, key: bytes) -> Found | None:
    """Look for a key's watermark.

    Args:
        pixels: (height, width, 3), sRGB.
        key: Whose mark: see `core.pictures.marking.derive_key`.

    Returns:
        It; None: there is none, or too little is left of it.
    """
    if min(pixels.shape[:2]) < LEAST_SIDE:
        return None
    spectrum, book = _spectrum(pixels), code_book(key)
    coarse = max(_SCALES, key=lambda scale: _best(spectrum, scale, book, _COARSE)[0])
    scale = max(coarse * _FINER, key=lambda scale: _best(spectrum, scale, book, _FINE)[0])
    score, place = _best(spectrum, scale, book, _FINE)
    if score < THRESHOLD:
        return None
    down, across = divmod(place, _FINE)
    turned = np.exp(2j * np.pi * (DOWN * down + ACROSS * across) / _FINE)
    lines = _lines(spectrum, scale) * turned
    told = (book.words.conj() @ lines.astype(np.complex64)).real.argmax(axis=1)
    return Found(
        score=score,
        chance=min(1.0, TRIALS * math.exp(-score * score / 2)),
        scale=float(scale),
        payload=Payload.from_bytes(told.astype(np.uint8).tobytes(), key),
    )


def _best(spectrum: Spectrum, scale: float, book: CodeBook, positions: int) -> tuple[float, int]:
    """Return the pilot's best score at a scale, and its position in the grid of all."""
    lines = _lines(spectrum, scale)
    energy = float((lines.real**2 + lines.imag**2).sum())
    if energy <= 0:
        return 0.0, 0
    grid = np.zeros((positions, positions), np.complex64)
    grid[DOWN, ACROSS] = lines * book.pilot.conj()
    matches = np.fft.ifft2(grid).real
    place = int(matches.argmax())
    return float(matches.flat[place]) * positions**2 / math.sqrt(energy / 2), place


def _lines(spectrum: Spectrum, scale: float) -> Waves:
    """Read the waves of the pattern at a scale; each as loud as others of its length are."""
    side = len(spectrum)
    down, across = (
        np.rint(numbers * (side / (PERIODS * scale))).astype(np.int64) for numbers in (DOWN, ACROSS)
    )
    visible = (np.abs(down) < side // 2) & (np.abs(across) < side // 2)
    lines = np.where(visible, spectrum[down % side, across % side], 0)
    loudness = np.abs(lines)
    usual = np.bincount(_LENGTHS, loudness) / np.maximum(np.bincount(_LENGTHS), 1)
    lines = lines / np.maximum(usual[_LENGTHS], 1e-9)
    # What stands out is the picture's: stripes, grids.
    loudness = np.abs(lines)
    return np.asarray(lines * np.minimum(1, 1.5 / np.maximum(loudness, 1e-9)), np.complex64)


_LENGTHS = np.rint(np.hypot(DOWN, ACROSS)).astype(np.int64)


def _spectrum(pixels: Pixels) -> Spectrum:
    """Transform a picture, its contrast evened out, about its centre."""
    light = _light(pixels)
    height, width = light.shape
    fine = light - _mean(light, _NEAR)
    deviation = np.sqrt(np.maximum(_mean(fine * fine, _AROUND), 0))
    even = np.clip(fine / (deviation + 1), -_CLIP, _CLIP)
    side = 2 ** math.ceil(math.log2(2 * max(height, width)))
    padded = np.zeros((side, side), np.float32)
    padded[:height, :width] = even
    centred = np.roll(padded, (-(height // 2), -(width // 2)), axis=(0, 1))
    return np.asarray(np.fft.fft2(centred), np.complex64)


def _light(pixels: Pixels) -> Plane:
    """Return a picture's light in levels, its shorter side at most `SIDE`, its longer twice that.

    Of longer pictures this is the middle, and large ones are made smaller as whole levels first:
    a transform of all of them would have no end.
    """
    pixels = _middle(pixels)
    if (times := min(pixels.shape[:2]) // (2 * SIDE)) > 1:
        pixels = np.asarray(Image.fromarray(pixels).reduce(times))
    height, width = pixels.shape[:2]
    light = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    share = SIDE / min(height, width)
    if share >= 1:
        return np.asarray(light, np.float32)
    size = (round(width * share), round(height * share))
    return np.asarray(Image.fromarray(light).resize(size, Image.Resampling.BICUBIC))


def _middle(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    most = 2 * min(height, width)
    top, left = max(0, height - most) // 2, max(0, width - most) // 2
    return np.ascontiguousarray(pixels[top : top + most, left : left + most])


def _mean(values: Plane, radius: int) -> Plane:
    """Average over squares of 2 × radius + 1 pixels."""
    side = 2 * radius + 1
    padded = np.pad(values, ((radius + 1, radius), (radius + 1, radius)), mode="edge")
    sums = padded.astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.asarray(total / side**2, np.float32)
