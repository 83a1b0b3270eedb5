"""Where the background is not known, a product that grew is found by what goes on from its edge."""

import numpy as np
import pytest
from PIL import Image

from catalogue.cutouts.resampling import resample
from catalogue.scenes.composing import Composition, compose, scene_rule
from catalogue.scenes.expansion import expansion
from tests.unit.catalogue.scenes.drawing import mug

RULE = scene_rule(360, 360)


@pytest.fixture(scope="module")
def made() -> Composition:
    """A red mug before green and blue blocks: no backdrop that could be called plain."""
    rng = np.random.default_rng(3)
    blocks = rng.integers((0, 60, 60), (60, 200, 200), (12, 12, 3), np.uint8)
    return compose(blocks.repeat(16, axis=0).repeat(16, axis=1), mug(), RULE)


def with_larger_product(made: Composition, times: float) -> np.ndarray:
    """Put a larger copy of a product behind it."""
    spot = made.spot
    size = (round(spot.size[0] * times), round(spot.size[1] * times))
    larger = Image.fromarray(resample(made.product, size))
    canvas = Image.fromarray(made.pixels.copy())
    at = (spot.left - (size[0] - spot.size[0]) // 2, spot.top - (size[1] - spot.size[1]) // 2)
    canvas.paste(larger, at, larger)
    own = Image.fromarray(made.product)
    canvas.paste(own, (spot.left, spot.top), own)
    return np.asarray(canvas)


def test_what_did_not_grow_is_told_so(made):
    assert expansion(made.pixels, made.mask) <= 0.01


@pytest.mark.parametrize("times", [1.05, 1.1])
def test_what_grew_is_found_by_its_colour(made, times):
    assert expansion(with_larger_product(made, times), made.mask) > 0.01


def test_no_product_did_not_grow(made):
    assert expansion(made.pixels, np.zeros_like(made.mask)) == 0
