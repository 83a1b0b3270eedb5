"""A product in a scene is its photograph's own pixels; the scene is what was generated, adapted."""

import numpy as np
import pytest
from scipy import ndimage

from catalogue.cutouts.model import Cutout, Method
from catalogue.cutouts.placement import Anchor, NothingToPlaceError, PlacementRule
from catalogue.cutouts.shadows import Shadow
from catalogue.scenes.composing import compose, scene_rule
from tests.unit.catalogue.cutouts.drawing import photograph
from tests.unit.catalogue.scenes.drawing import mug, room

RULE = PlacementRule(width=320, height=320, fill=0.9, anchor=Anchor.GROUND, ground_line=0.85)
"""Larger than the product is, so that it keeps its size."""


@pytest.fixture(scope="module")
def product() -> Cutout:
    return mug()


def test_the_products_inside_is_the_photographs_own_pixels(product):
    made = compose(room(), product, RULE)
    assert made.pixels.shape == (320, 320, 3)
    spot = made.spot
    left, top, right, bottom = spot.source
    inside = ndimage.binary_erosion(product.pixels[top:bottom, left:right, 3] == 255)
    source = photograph(235, shadow=0.4)[0][top:bottom, left:right, :3]
    window = made.pixels[spot.top : spot.top + spot.size[1], spot.left : spot.left + spot.size[0]]
    assert np.array_equal(window[inside], source[inside])
    assert made.fidelity.is_identical
    assert made.fidelity.expansion == 0
    assert made.fidelity.kept > 9_000
    assert made.fidelity.checked() is made.fidelity


def test_the_mask_is_the_products_alpha_on_the_canvas(product):
    made = compose(room(), product, RULE)
    left, top, right, bottom = made.spot.source
    expected = np.zeros((320, 320), np.uint8)
    rows = slice(made.spot.top, made.spot.top + made.spot.size[1])
    columns = slice(made.spot.left, made.spot.left + made.spot.size[0])
    expected[rows, columns] = product.pixels[top:bottom, left:right, 3]
    assert np.array_equal(made.mask, expected)


@pytest.mark.parametrize("size", [(200, 320), (320, 200), (64, 64)])
def test_any_canvas_is_filled_and_the_product_kept(product, size):
    made = compose(room(height=128), product, scene_rule(*size))
    assert made.pixels.shape == (size[1], size[0], 3)
    assert made.fidelity.is_identical


def test_the_same_is_the_same_and_what_was_given_stays(product):
    background, before = room(), product.pixels.copy()
    once, again = (compose(background, product, RULE) for _ in range(2))
    assert np.array_equal(once.pixels, again.pixels)
    assert np.array_equal(background, room())
    assert np.array_equal(product.pixels, before)


def test_shadows_darken_the_ground_and_nothing_brightens_it(product):
    plain = compose(room(), product, RULE, shadow=Shadow.NONE).pixels.astype(int)
    for shadow in (Shadow.CONTACT, Shadow.OWN):
        dark = plain - compose(room(), product, RULE, shadow=shadow).pixels
        assert dark.max() > 20, shadow
        assert dark.min() >= 0, shadow
        assert not dark[: plain.shape[0] // 4].any(), shadow


def test_a_shadow_stays_off_the_wall(product):
    background = room(0.75)
    plain = compose(background, product, RULE, shadow=Shadow.NONE).pixels.astype(int)
    dark = (plain - compose(background, product, RULE).pixels).max(axis=2)
    assert not dark[: round(0.7 * 320)].any()
    assert dark[round(0.8 * 320) :].max() > 20


def test_an_unknown_shadow_becomes_a_contact_shadow_and_it_is_noted(product):
    unknown = Cutout(pixels=product.pixels, method=Method.ALPHA, confidence=1.0)
    made = compose(room(), unknown, RULE, shadow=Shadow.OWN)
    assert np.array_equal(made.pixels, compose(room(), product, RULE).pixels)
    assert any("contact shadow" in note for note in made.notes)


def test_a_mask_leaves_no_halo_of_the_old_background():
    photo, alpha = photograph((0, 255, 0), noise=0)
    given = photo.copy()
    given[..., 3] = np.round(alpha * 255)
    made = compose(
        room(wall=(90, 90, 90), floor=(90, 90, 90)),
        Cutout(pixels=given, method=Method.MASK, confidence=1.0),
        RULE,
        shadow=Shadow.NONE,
        harmonise=False,
    )
    greener = made.pixels[..., 1].astype(int) - made.pixels[..., [0, 2]].max(axis=2)
    assert greener.max() <= 6


def test_nothing_to_place_is_told(product):
    nothing = Cutout(pixels=np.zeros_like(product.pixels), method=Method.MASK, confidence=0.0)
    with pytest.raises(NothingToPlaceError):
        compose(room(), nothing, RULE)
