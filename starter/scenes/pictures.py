"""Pictures of subjects in bulk: repeatable, and drawn by all cores."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from core.cpus import usable_cpus
from starter.scenes.composition import SIZE, draw
from starter.scenes.subjects import Shown

_PORTION = 64
"""Pictures that a process draws at a time."""


class Labelled(Protocol):
    """What a picture shows: a `Product`, or a `Subject` of `starter.scenes`."""

    def labels(self) -> tuple[int, ...]:
        """Return its class numbers, one for each attribute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """Pictures and what they show, row by row."""

    pixels: npt.NDArray[np.uint8]
    """(count, SIZE, SIZE, 3), RGB."""
    products: tuple[Labelled, ...]

    def batch(self, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return the given rows as (len(rows), 3, SIZE, SIZE) float32 in [-1, 1]."""
        return to_tensor(self.pixels[rows])

    def labels(self) -> npt.NDArray[np.int64]:
        """Return (count, attributes) class numbers."""
        return np.array([product.labels() for product in self.products], np.int64)


def draw_scenes(subjects: Sequence[Shown], count: int, seed: int) -> Pictures:
    """Draw `count` pictures of subjects, in turn; picture i depends on the seed and i alone."""
    shown = tuple(subjects[row % len(subjects)] for row in range(count))
    if count <= _PORTION:
        return Pictures(pixels=_draw(seed, list(enumerate(shown))), products=shown)
    portions = [range(start, min(start + _PORTION, count)) for start in range(0, count, _PORTION)]
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    # Forked processes would inherit the locks of PyTorch's threads.
    with ProcessPoolExecutor(usable_cpus(), mp_context=get_context("spawn")) as pool:
        work = partial(_draw, seed)
        drawn = pool.map(work, ([(row, shown[row]) for row in rows] for rows in portions))
        for rows, pictures in zip(portions, drawn, strict=True):
            pixels[rows.start : rows.stop] = pictures
    return Pictures(pixels=pixels, products=shown)


def _draw(seed: int, wanted: Sequence[tuple[int, Shown]]) -> npt.NDArray[np.uint8]:
    return np.stack([draw(subject, np.random.default_rng((seed, row))) for row, subject in wanted])


def every_nth(pictures: Pictures, step: int) -> Pictures:
    """Thin out pictures."""
    return Pictures(pixels=pictures.pixels[::step], products=pictures.products[::step])


def to_tensor(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Turn (rows, height, width, 3) bytes into (rows, 3, height, width) float32 in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pixels(images: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Undo `to_tensor`, rounded and clamped."""
    scaled = images.detach().float().add(1).mul(127.5).round_().clamp_(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).numpy()


def psnr(images: torch.Tensor, references: torch.Tensor) -> float:
    """Measure the peak signal-to-noise ratio in dB of images in [-1, 1], over all pixels together.

    Images are rounded to bytes first, as a stored picture would be.
    """
    difference = to_pixels(images).astype(np.float64) - to_pixels(references)
    return float(10 * np.log10(255**2 / np.mean(difference**2)))
