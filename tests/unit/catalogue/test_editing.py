"""Photographs that are drawn over: what the model sees of them, and what becomes of its picture."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from catalogue.cutouts.cutting import MaskMismatchError
from catalogue.editing import FLATTENED, UselessMaskError, edit_source, finish_edit

CHANCE = np.random.default_rng(2)


def photograph(width: int, height: int, alpha: int = 255) -> np.ndarray:
    colours = CHANCE.integers(0, 256, (height, width, 3), np.uint8)
    return np.dstack([colours, np.full((height, width), alpha, np.uint8)])


def half(width: int, height: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return mask


def test_without_a_mask_the_photograph_fills_the_models_size():
    pixels = photograph(200, 100)
    source = edit_source(pixels, None, (64, 64), cell=8)
    whole = Image.fromarray(pixels[..., :3])
    assert (source.pixels == np.asarray(ImageOps.fit(whole, (64, 64), Image.LANCZOS))).all()
    assert source.mask is None
    drawn = photograph(64, 64)[..., :3]
    edited = finish_edit(drawn, source)
    assert (edited.pixels == drawn).all()
    assert edited.inside is None


def test_with_a_mask_the_model_sees_all_of_it_and_no_bar():
    pixels = photograph(200, 100)
    source = edit_source(pixels, half(200, 100), (64, 64), cell=8)
    assert source.box == (0, 16, 64, 48)
    whole = Image.fromarray(pixels[..., :3]).resize((64, 32), Image.LANCZOS)
    assert (source.pixels[16:48] == np.asarray(whole)).all()
    assert (source.pixels[:16] == source.pixels[16]).all()
    assert (source.pixels[48:] == source.pixels[47]).all()
    # The four cells of the left half in its four rows, and those around.
    expected = np.zeros((8, 8))
    expected[1:7, :5] = 1
    assert (source.mask[0] == expected).all()


@pytest.mark.parametrize(("width", "height"), [(200, 100), (64, 64), (30, 50)])
def test_what_the_mask_keeps_is_the_photographs_own(width: int, height: int):
    pixels, mask = photograph(width, height), half(width, height)
    mask[0, -1] = 128
    source = edit_source(pixels, mask, (64, 64), cell=8)
    black = np.zeros((64, 64, 3), np.uint8)
    edited = finish_edit(black, source)
    assert (edited.pixels[mask == 0] == pixels[mask == 0][:, :3]).all()
    assert not edited.pixels[mask == 255].any()
    soft = edited.pixels[0, -1].astype(int) * 255 - pixels[0, -1, :3].astype(int) * 127
    assert (abs(soft) <= 255).all()
    assert edited.quality["identical"]
    stream = BytesIO()
    Image.fromarray(edited.pixels).save(stream, "PNG")
    assert edited.inside.digest_in(stream.getvalue()) == edited.quality["source_digest"]
    changed = edited.pixels.copy()
    changed[-1, -1] ^= 1
    stream = BytesIO()
    Image.fromarray(changed).save(stream, "PNG")
    assert edited.inside.digest_in(stream.getvalue()) != edited.quality["source_digest"]


def test_a_single_pixel_of_a_large_mask_is_not_lost():
    mask = np.zeros((1000, 1000), np.uint8)
    mask[500, 500] = 255
    source = edit_source(photograph(1000, 1000), mask, (64, 64), cell=8)
    assert source.mask.sum() == 9


def test_noise_of_a_masks_jpeg_changes_nothing():
    stream = BytesIO()
    Image.fromarray(half(90, 96)).save(stream, "JPEG", quality=80)
    mask = np.asarray(Image.open(BytesIO(stream.getvalue())))
    assert len(np.unique(mask)) > 2
    source = edit_source(photograph(90, 96), mask, (64, 64), cell=8)
    assert not source.alpha[:, 64:].any()
    assert (source.alpha[:, :32] == 255).all()


@pytest.mark.parametrize("level", [0, 15, 240, 255])
def test_a_mask_that_shows_nothing_is_refused(level: int):
    mask = np.full((64, 64), level, np.uint8)
    with pytest.raises(UselessMaskError, match=r"nothing"):
        edit_source(photograph(64, 64), mask, (64, 64), cell=8)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(MaskMismatchError, match="64 × 63"):
        edit_source(photograph(64, 64), half(64, 63), (64, 64), cell=8)


def test_what_is_transparent_is_laid_on_white_and_told():
    source = edit_source(photograph(64, 64, alpha=0), None, (64, 64), cell=8)
    assert (source.pixels == 255).all()
    assert finish_edit(source.pixels, source).quality["notes"] == [FLATTENED]
