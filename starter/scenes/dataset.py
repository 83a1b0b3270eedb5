"""Pictures of subjects in bulk: repeatable, and drawn by all cores."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt

from core.cpus import usable_cpus
from starter.data.dataset import Pictures
from starter.scenes.composition import SIZE, draw
from starter.scenes.subjects import Shown

_PORTION = 64
"""Pictures that a process draws at a time."""


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
