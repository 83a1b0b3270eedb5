"""Puts an object into its surroundings: turned, sheared, lit, with a shadow where it stands."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from starter.scenes.noise import smooth_noise
from starter.scenes.objects import Rgba, paint_object
from starter.scenes.subjects import EmptyScene, Shown
from starter.scenes.surroundings import Pixels, Place, draw_surroundings

SIZE = 128
"""Side of a picture, in pixels."""

_FLOATING = 0.12
"""Share of pictures whose object lies flat, seen from above: its shadow is all around it."""


def draw(subject: Shown, rng: np.random.Generator, size: int = SIZE) -> npt.NDArray[np.uint8]:
    """Draw a picture of a subject, (size, size, 3) RGB; chance decides what no caption says."""
    place = draw_surroundings(subject.surroundings, rng, size)
    if isinstance(subject, EmptyScene):
        return _develop(place.pixels, rng)
    thing = _place(paint_object(subject.kind, subject.colour, rng), place, rng, size)
    thing = _light(thing, rng, size)
    alpha = thing[..., 3:]
    pixels = place.pixels * (1 - _shadow(thing[..., 3], place, rng)[..., None])
    pixels = pixels * (1 - alpha) + thing[..., :3] * alpha
    return _develop(pixels, rng)


def _place(thing: Rgba, place: Place, rng: np.random.Generator, size: int) -> Rgba:
    """Flip, turn, shear and scale an object, and stand it below the horizon."""
    if rng.random() < 0.5:
        thing = thing[:, ::-1]
    share = rng.uniform(0.6, 0.85)
    turn = math.radians(rng.normal(0, 6))
    shear = rng.normal(0, 0.06)
    stretch = rng.uniform(0.92, 1.08)
    scale = thing.shape[0] / (share * size)
    matrix = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    matrix = matrix @ np.array([[1, shear], [0, 1]]) @ np.diag([scale * stretch, scale / stretch])
    tall = _height(thing) * share / 2
    middle_x = 0.5 + rng.uniform(-0.08, 0.08)
    lowest = np.clip(max(place.horizon + 0.1, 2 * tall), 0.82, 0.95)
    bottom = rng.uniform(lowest, 0.97)
    middle = np.array([middle_x * size, (bottom - tall) * size])
    start = np.array([thing.shape[1] / 2, thing.shape[0] / 2]) - matrix @ middle
    coefficients = (*matrix[0], start[0], *matrix[1], start[1])
    premultiplied = thing.copy()
    premultiplied[..., :3] *= thing[..., 3:]
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(premultiplied[..., channel])).transform(
                (size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
            )
        )
        for channel in range(4)
    ]
    placed = np.clip(np.stack(channels, axis=2), 0, 1)
    placed[..., :3] /= np.maximum(placed[..., 3:], 1e-4)
    return np.clip(placed, 0, 1)


def _height(thing: Rgba) -> float:
    """Return how tall an object is, as a share of its square."""
    return float((thing[..., 3] > 0.05).any(axis=1).mean())


def _light(thing: Rgba, rng: np.random.Generator, size: int) -> Rgba:
    """Light an object from one side."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    turn = rng.uniform(0, 2 * math.pi)
    slope = (math.cos(turn) * x + math.sin(turn) * y) * rng.uniform(0, 0.5)
    light = np.clip(rng.uniform(0.9, 1.08) + slope, 0.6, 1.3)
    lit = np.clip(thing[..., :3] * light[..., None], 0, 1)
    return np.concatenate([lit, thing[..., 3:]], axis=2).astype(np.float32)


def _shadow(alpha: npt.NDArray[np.float32], place: Place, rng: np.random.Generator) -> Pixels:
    """Return how much darker each pixel is: a dark line of contact and a wide soft shadow."""
    size = len(alpha)
    rows = np.nonzero(alpha.max(axis=1) > 0.3)[0]
    bottom = int(rows[-1]) if len(rows) else size - 1
    lean, height = rng.uniform(-0.8, 0.8), rng.uniform(0.12, 0.4)
    if rng.random() < _FLOATING:
        lean, height, bottom = rng.uniform(-0.1, 0.1), 1.0, bottom + round(0.03 * size)
    # The picture's row y of the shadow is the object's row that is so many times as far up.
    coefficients = (1, lean, -lean * bottom, 0, 1 / height, bottom - bottom / height)
    fallen = Image.fromarray((alpha * 255).astype(np.uint8)).transform(
        (size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    wide = np.asarray(fallen.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.015, 0.05))))
    close = np.asarray(fallen.filter(ImageFilter.GaussianBlur(size * 0.012)))
    near = np.clip(1 - np.abs(np.arange(size) - bottom) / (0.07 * size), 0, 1)[:, None]
    dark = wide / 255 + close / 255 * near
    return np.clip(1.25 * place.shadow * dark, 0, 0.85).astype(np.float32)


def _develop(pixels: Pixels, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Expose the picture: brightness, warmth, a dark rim at times, a little grain."""
    size = len(pixels)
    warmth = rng.normal(0, 0.02)
    balance = np.array([1 + warmth, 1, 1 - warmth], np.float32)
    exposure = rng.uniform(0.92, 1.04)
    dim = 1 - rng.uniform(0, 0.08) * (1 - smooth_noise(rng, size, (2, 2)))
    grain = rng.normal(0, 0.003, (size, size, 1))
    developed = pixels * balance * exposure * dim[..., None] + grain
    return np.round(np.clip(developed, 0, 1) * 255).astype(np.uint8)
