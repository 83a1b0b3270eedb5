"""Finished cut-outs, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest

from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.finishing import ProductNotFoundError, colour_of, finish_cutout
from core.domain.photograph_spec import PhotographSpec, Shadow
from tests.unit.catalogue.cutouts.drawing import SIDE, photograph

WANTED = PhotographSpec(source="ab" * 32)


def finish(pixels: np.ndarray, **wishes: object):
    return finish_cutout(cut_out(pixels), replace(WANTED, **wishes), width=300, height=200)


def test_the_product_keeps_its_pixels_and_the_rest_is_exactly_white():
    pixels, _ = photograph(240, shadow=0.4)
    finished = finish(pixels)
    assert finished.pixels.shape == (200, 300, 3)
    assert (finished.pixels[0] == 255).all()
    assert (finished.pixels[:, 0] == 255).all()
    quality = finished.quality
    assert quality["identical"]
    assert quality["source_digest"] == quality["result_digest"]
    assert quality["compared_pixels"] > 1000
    assert quality["needs_review"] is False
    assert quality["method"] == "backdrop"
    assert 0.5 < quality["scale"] <= 1.5


def test_backgrounds_and_shadows_are_those_that_were_asked_for():
    pixels, _ = photograph(240)
    assert tuple(finish(pixels, background="#102030").pixels[0, 0]) == (16, 32, 48)
    clear = finish(pixels, background="transparent").pixels
    assert clear.shape == (200, 300, 4)
    assert clear[0, 0, 3] == 0
    plain, dark = (
        finish(pixels, shadow=one).pixels.astype(int).sum() for one in (Shadow.NONE, Shadow.CONTACT)
    )
    assert dark < plain


def test_a_cutout_that_may_be_wrong_needs_review_and_says_why():
    pixels, _ = photograph(240, shift=60)
    quality = finish(pixels).quality
    assert quality["needs_review"]
    assert "touches_frame" in quality["reasons"]


def test_a_small_photograph_gives_a_small_product_and_says_so():
    pixels, _ = photograph(240)
    quality = finish_cutout(cut_out(pixels), WANTED, width=2000, height=2000).quality
    assert quality["scale"] == 1
    assert "smaller than wanted" in quality["notes"][0]


def test_a_room_has_no_product_that_could_be_shown():
    room = np.random.default_rng(3).integers(0, 255, (SIDE, SIDE, 4), np.uint8)
    room[..., 3] = 255
    with pytest.raises(ProductNotFoundError, match="background is not plain"):
        finish(room)


def test_colours_are_read():
    assert colour_of("#fffefd") == (255, 254, 253)
    assert colour_of("transparent") is None
