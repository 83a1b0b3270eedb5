"""What sets of pictures are like: how far one is from another, how sharp, how diverse.

A single picture cannot be blurred on average, nor always the same; a set can. Each figure here
compares generated pictures with true ones of the same prompts.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

Features = npt.NDArray[np.float64]
"""(count, width): one row a picture."""
Prompts = npt.NDArray[np.int64]
"""(count,): the number of each picture's prompt."""

THUMBNAIL = 32
"""Side of the pictures between which diversity is measured: pose, place and light are left."""

_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""


def kernel(one: Features, other: Features) -> Features:
    """Return the cubic kernel (x·y / width + 1)³ of each pair of rows.

    Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv 1801.01401: the kernel inception distance.
    """
    cubic: Features = (one @ other.T / one.shape[1] + 1) ** 3
    return cubic


def mmd(one: Features, other: Features, prompts: tuple[Prompts, Prompts] | None = None) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy under `kernel`.

    Gretton et al. 2012, "A Kernel Two-Sample Test", lemma 6. It is 0 on average where both sets are
    drawn alike, however small they are, and may so be below 0.

    Args:
        one: At least two rows.
        other: At least two rows.
        prompts: Of the rows of each, where several pictures have one prompt: pairs of the same
            prompt are left out, or they would count within a set and between sets unequally often.
    """
    first, second = prompts or (np.arange(len(one)), np.arange(len(other)) + len(one))
    within = _mean(kernel(one, one), first, first) + _mean(kernel(other, other), second, second)
    return within - 2 * _mean(kernel(one, other), first, second)


def mmd_error(one: Features, other: Features, prompts: tuple[Prompts, Prompts]) -> float:
    """Return the standard error of `mmd`, by the jackknife over prompts (Efron 1979).

    The bootstrap would draw prompts twice, whose pictures are then no pairs at all.
    """
    first, second = prompts
    count = int(max(first.max(), second.max())) + 1
    left_out = (
        _without_each(kernel(one, one), first, first, count)
        + _without_each(kernel(other, other), second, second, count)
        - 2 * _without_each(kernel(one, other), first, second, count)
    )
    return float(np.sqrt((count - 1) * left_out.var()))


def null_mmds(
    one: Features, other: Features, prompts: tuple[Prompts, Prompts], *, draws: int = 200
) -> Features:
    """Return what `mmd` gives where there is nothing to find: for true pictures, shuffled.

    Each draw exchanges what the two sets have of each prompt, or does not, so that both keep their
    prompts.

    Args:
        one: True pictures' features.
        other: Those of others of the same prompts, in the same order.
        prompts: Of both.
        draws: How many.

    Returns:
        (draws,), centred on 0; a distance beyond their upper quantiles is none by chance.
    """
    first, second = prompts
    both = kernel(np.concatenate([one, other]), np.concatenate([one, other]))
    every = np.concatenate([first, second])
    both[every[:, None] == every[None]] = 0
    pairs = float((first[:, None] != first[None]).sum())
    rng = np.random.default_rng(0)
    found = np.empty(draws)
    for draw in range(draws):
        exchanged = rng.integers(0, 2, every.max() + 1)[every] == 1
        # With +1 for the one set and -1 for the other, the sum over pairs is the whole estimate.
        signs = np.where(exchanged, -1.0, 1.0) * np.repeat([1.0, -1.0], [len(one), len(other)])
        found[draw] = signs @ both @ signs / pairs
    return found


def sharpness(pictures: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float64]:
    """Return the logarithm of the variance of each picture's Laplacian, on its luma.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy". In logarithms the
    mean is no matter of the few sharpest; the difference of two means is that of their ratio.

    Args:
        pictures: Each (height, width, 3), RGB.
    """
    return np.array([np.log(_laplacian(picture @ _LUMA).var() + 1e-3) for picture in pictures])


def diversity(pictures: Iterable[npt.NDArray[np.uint8]], prompts: Prompts) -> Features:
    """Return how far pictures of the same prompt are apart: a figure for each prompt.

    That is the root of the mean squared difference of two thumbnails of THUMBNAIL pixels a side, in
    levels of 255, over all pairs. Features would not do: a classifier learns to overlook pose.

    Args:
        pictures: Each (height, width, 3), RGB.
        prompts: The number of each one's; at least two have each.
    """
    small = np.stack([_thumbnail(picture).ravel() for picture in pictures])
    return np.array([_spread(small[prompts == prompt]) for prompt in np.unique(prompts)])


def standard_error(
    figure: Callable[[npt.NDArray[np.int64]], float], count: int, *, draws: int = 400
) -> float:
    """Return the standard error of a figure of `count` prompts, by the bootstrap (Efron 1979).

    Prompts are drawn anew and not pictures: those of one prompt stand or fall together.

    Args:
        figure: Computes it from the numbers of prompts, each as often as it was drawn.
        count: Prompts.
        draws: Of the bootstrap.
    """
    rng = np.random.default_rng(0)
    return float(np.std([figure(rng.integers(count, size=count)) for _ in range(draws)], ddof=1))


def _mean(values: Features, rows: Prompts, columns: Prompts) -> float:
    return float(values[rows[:, None] != columns[None]].mean())


def _without_each(values: Features, rows: Prompts, columns: Prompts, count: int) -> Features:
    """Return the mean over pairs of different prompts without each prompt in turn, (count,)."""
    row, column = np.eye(count)[rows], np.eye(count)[columns]
    sums = row.T @ values @ column
    pairs = np.outer(row.sum(axis=0), column.sum(axis=0))
    means: Features = _rest(sums) / _rest(pairs)
    return means


def _rest(table: Features) -> Features:
    """Return the sum off the diagonal that each row leaves with its column."""
    apart = table - np.diag(np.diag(table))
    rest: Features = apart.sum() - apart.sum(axis=0) - apart.sum(axis=1)
    return rest


def _laplacian(luma: Features) -> Features:
    inner = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    laplacian: Features = around - 4 * inner
    return laplacian


def _thumbnail(picture: npt.NDArray[np.uint8]) -> Features:
    small = Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float64)


def _spread(rows: Features) -> float:
    """Return the root mean square of the differences of all pairs: twice the variance, unbiased."""
    return float(np.sqrt(2 * rows.var(axis=0, ddof=1).mean()))
