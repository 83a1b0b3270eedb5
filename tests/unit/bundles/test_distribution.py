"""Figures of sets of pictures, against closed forms and other people's code."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage
from scipy.spatial.distance import pdist

from modelkit.evaluation.distribution import (
    THUMBNAIL,
    diversity,
    kernel,
    mmd,
    mmd_error,
    null_mmds,
    sharpness,
    standard_error,
)


def exact_mmd(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the distance of two normal distributions in one dimension, (mean, deviation) each.

    The kernel is (xy + 1)³, so that only their first three moments count.
    """

    def mean_kernel(one: tuple[float, float], other: tuple[float, float]) -> float:
        (m, s), (n, t) = one, other
        third = (m**3 + 3 * m * s**2) * (n**3 + 3 * n * t**2)
        return third + 3 * (m**2 + s**2) * (n**2 + t**2) + 3 * m * n + 1

    within = mean_kernel(first, first) + mean_kernel(second, second)
    return within - 2 * mean_kernel(first, second)


def normal(rng: np.random.Generator, count: int, mean: float, deviation: float) -> np.ndarray:
    return rng.normal(mean, deviation, (count, 1))


@pytest.mark.parametrize("second", [(0.0, 1.0), (0.8, 1.0), (0.0, 1.5), (-0.5, 0.4)])
def test_the_distance_of_normal_distributions_is_what_algebra_says(second):
    first = (0.2, 0.9)
    rng = np.random.default_rng(1)
    found = [mmd(normal(rng, 60, *first), normal(rng, 40, *second)) for _ in range(1500)]
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(exact_mmd(first, second), abs=4 * error)
    assert error < 0.35


def test_small_samples_are_not_biased_as_those_with_the_diagonal_are():
    rng = np.random.default_rng(2)
    pairs = [(rng.normal(size=(8, 5)), rng.normal(size=(8, 5))) for _ in range(2000)]
    found = [mmd(*pair) for pair in pairs]
    biased = [
        kernel(one, one).mean() + kernel(other, other).mean() - 2 * kernel(one, other).mean()
        for one, other in pairs
    ]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error
    assert np.mean(biased) > 20 * error


def of_prompts(rng: np.random.Generator, prompts: int, shift: float = 0.0) -> np.ndarray:
    """Four rows for each prompt, which has a middle of its own."""
    middles = np.random.default_rng(0).normal(size=(prompts, 6))
    return np.repeat(middles, 4, axis=0) + rng.normal(shift, 0.5, (4 * prompts, 6))


def test_pictures_of_shared_prompts_are_at_no_distance_from_their_like():
    rng = np.random.default_rng(3)
    numbers = np.repeat(np.arange(15), 4)
    found = [mmd(of_prompts(rng, 15), of_prompts(rng, 15), (numbers, numbers)) for _ in range(800)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))


def test_standard_errors_are_what_repetition_shows():
    rng = np.random.default_rng(4)
    numbers = np.repeat(np.arange(20), 4)
    wanted, found = [], []
    for _ in range(300):
        middles = rng.normal(size=(20, 6))
        one, other = (
            np.repeat(middles, 4, axis=0) + rng.normal(shift, 0.5, (80, 6)) for shift in (0, 0.6)
        )
        wanted.append(mmd(one, other, (numbers, numbers)))
        found.append(mmd_error(one, other, (numbers, numbers)))
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(np.std(wanted), rel=0.35)


def test_a_shift_is_beyond_what_chance_does_and_chance_is_not():
    rng = np.random.default_rng(5)
    numbers = np.repeat(np.arange(25), 4)
    prompts = numbers, numbers
    nulls = null_mmds(of_prompts(rng, 25), of_prompts(rng, 25), prompts)
    floor = np.quantile(nulls, 0.95)
    chance = [mmd(of_prompts(rng, 25), of_prompts(rng, 25), prompts) for _ in range(200)]
    assert np.mean(np.array(chance) > floor) < 0.2
    assert mmd(of_prompts(rng, 25), of_prompts(rng, 25, shift=0.5), prompts) > 3 * floor


def test_what_was_drawn_is_among_what_is_shuffled():
    rng = np.random.default_rng(6)
    one, other = of_prompts(rng, 2), of_prompts(rng, 2)
    numbers = np.repeat(np.arange(2), 4)
    # Of two prompts, both or none exchanged is the estimate itself.
    shuffled = null_mmds(one, other, (numbers, numbers), draws=40)
    assert np.isclose(shuffled, mmd(one, other, (numbers, numbers))).any()


@pytest.fixture
def pictures() -> np.ndarray:
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def test_sharpness_is_scipy_s_laplacian(pictures):
    luma = np.asarray(pictures[0], float) @ [0.299, 0.587, 0.114]
    wanted = ndimage.laplace(luma)[1:-1, 1:-1].var()
    assert sharpness(pictures[:1]) == pytest.approx([np.log(wanted)], rel=1e-6)


def test_blurred_pictures_are_less_sharp(pictures):
    blurred = [
        np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(1))) for one in pictures
    ]
    assert (sharpness(blurred) < sharpness(pictures) - 1).all()
    assert np.isfinite(sharpness([np.zeros((8, 8, 3), np.uint8)])).all()


def test_diversity_is_scipy_s_mean_of_squared_distances(pictures):
    prompts = np.repeat([3, 8, 9], 4)
    found = diversity(pictures, prompts)
    for value, start in zip(found, (0, 4, 8), strict=True):
        small = [
            np.asarray(Image.fromarray(one).reduce(64 // THUMBNAIL), float).ravel()
            for one in pictures[start : start + 4]
        ]
        squares = pdist(small, "sqeuclidean") / len(small[0])
        assert value == pytest.approx(np.sqrt(squares.mean()), rel=0.01)


def test_the_same_picture_for_every_seed_has_no_diversity(pictures):
    same = np.repeat(pictures[:3], 4, axis=0)
    assert diversity(same, np.repeat(np.arange(3), 4)) == pytest.approx(0)


def test_the_bootstrap_finds_the_error_of_a_mean():
    values = np.random.default_rng(8).normal(size=400)
    found = standard_error(lambda drawn: float(values[drawn].mean()), 400)
    assert found == pytest.approx(values.std() / 20, rel=0.15)
