"""Harm that is done to a product on purpose is found, each kind of it."""

import math
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalogue.cutouts.resampling import resample
from catalogue.cutouts.shadows import Shadow
from catalogue.scenes.composing import Composition, compose
from catalogue.scenes.fidelity import Fidelity, ProductChangedError, compare, compare_lossy
from tests.unit.catalogue.scenes.drawing import mug, room
from tests.unit.catalogue.scenes.test_composing import RULE


@pytest.fixture(scope="module")
def made() -> Composition:
    return compose(room(), mug(), RULE, shadow=Shadow.NONE)


def judged(made: Composition, pixels: np.ndarray) -> Fidelity:
    """Judge what became of a composition, in the product's part of it."""
    spot = made.spot
    rows = slice(spot.top, spot.top + spot.size[1])
    columns = slice(spot.left, spot.left + spot.size[0])
    empty = compose(room(), mug(), RULE, shadow=Shadow.NONE)
    ground = empty.pixels.copy()
    ground[made.mask > 0] = made.pixels[0, 0]
    return compare(made.product, pixels[rows, columns], ground=ground[rows, columns])


def test_what_is_untouched_is_kept(made):
    fidelity = judged(made, made.pixels)
    assert fidelity.is_kept
    assert fidelity.source_digest == made.fidelity.source_digest


def test_one_level_of_one_pixel_is_found(made):
    pixels = made.pixels.copy()
    row, column = made.spot.top + 60, made.spot.left + 40
    pixels[row, column, 1] ^= 1
    fidelity = judged(made, pixels)
    assert not fidelity.is_identical
    with pytest.raises(ProductChangedError, match="not in the picture as it was placed"):
        fidelity.checked()


def test_a_product_that_moved_by_a_pixel_is_found(made):
    assert not judged(made, np.roll(made.pixels, 1, axis=1)).is_identical


def test_a_colour_that_shifted_is_found_also_in_a_lossy_file(made):
    shifted = made.pixels.astype(int)
    shifted[made.mask > 0] += (4, 0, -4)
    shifted = shifted.clip(0, 255).astype(np.uint8)
    assert not judged(made, shifted).is_identical
    assert compare_lossy(made.pixels, as_jpeg(made.pixels), made.mask).is_kept
    assert not compare_lossy(made.pixels, as_jpeg(shifted), made.mask).is_kept


def test_a_lossy_file_that_moved_or_is_ruined_is_found(made):
    tiles = np.indices((320, 320)).sum(axis=0)[..., None] // 16 % 2
    pixels = (made.pixels // 2 + 90 * tiles).astype(np.uint8)
    assert compare_lossy(pixels, as_jpeg(pixels), made.mask).is_kept
    for harmed in (np.roll(pixels, 2, axis=0), as_jpeg(pixels, quality=1)):
        assert not compare_lossy(pixels, harmed, made.mask).is_kept


def test_psnr_is_that_of_its_definition(made):
    off = made.pixels.copy()
    off[made.mask > 0] ^= 1
    found = compare_lossy(made.pixels, off, made.mask)
    assert found.psnr == pytest.approx(20 * math.log10(255))
    assert compare_lossy(made.pixels, made.pixels, made.mask).psnr == math.inf


def test_a_product_that_grew_by_two_percent_is_found(made):
    spot = made.spot
    larger = tuple(round(side * 1.02) for side in spot.size)
    grown = made.pixels.copy()
    product = Image.fromarray(resample(made.product, larger))
    canvas = Image.fromarray(grown)
    canvas.paste(product, (spot.left - 1, spot.top - 1), product)
    # Its own pixels are pasted back, as they always are: only what stands out is left.
    own = Image.fromarray(made.product)
    canvas.paste(own, (spot.left, spot.top), own)
    margin = 8
    rows = slice(spot.top - margin, spot.top + spot.size[1] + margin)
    columns = slice(spot.left - margin, spot.left + spot.size[0] + margin)
    padded = np.pad(made.product, ((margin, margin), (margin, margin), (0, 0)))
    ground = made.pixels.copy()
    ground[made.mask > 0] = made.pixels[0, 0]
    fidelity = compare(padded, np.asarray(canvas)[rows, columns], ground=ground[rows, columns])
    assert fidelity.is_identical
    assert 0.01 < fidelity.expansion < 0.06
    with pytest.raises(ProductChangedError, match="larger in its scene"):
        fidelity.checked()


def as_jpeg(pixels: np.ndarray, quality: int = 92) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
