"""Products are cut out by what there is, in their own colours, and what may be wrong is said."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from catalogue.cutouts.cutting import MaskMismatchError, cut_out
from catalogue.cutouts.model import Method, Reason
from tests.unit.catalogue.cutouts.drawing import SIDE, gradient, iou, photograph, product_alpha

BACKDROPS = {
    "white": 255,
    "near white": 249,
    "grey": 190,
    "gradient": gradient(252, 215),
    "mint": (170, 225, 200),
    "dark": 40,
}


@pytest.mark.parametrize("backdrop", list(BACKDROPS))
def test_a_product_on_a_plain_backdrop_is_cut_out(backdrop):
    pixels, alpha = photograph(BACKDROPS[backdrop])
    cutout = cut_out(pixels)
    assert cutout.method is Method.BACKDROP
    assert iou(cutout.pixels[..., 3], alpha) > 0.985
    assert np.abs(cutout.pixels[..., 3] / 255 - alpha).mean() < 0.004
    assert not cutout.needs_review


@pytest.mark.parametrize("shadow", [0.25, 0.45])
@pytest.mark.parametrize("backdrop", ["white", "grey", "gradient"])
def test_its_shadow_is_none_of_it_and_is_kept_apart(backdrop, shadow):
    pixels, alpha = photograph(BACKDROPS[backdrop], shadow=shadow)
    cutout = cut_out(pixels)
    assert iou(cutout.pixels[..., 3], alpha) > 0.97
    under, beside = cutout.shadow[205, 120], cutout.shadow[30, 30]
    assert under < 250
    assert beside == 255


@pytest.mark.parametrize("shadow", [0.0, 0.35])
def test_a_white_product_on_white(shadow):
    pixels, alpha = photograph(255, colour=(238, 238, 238), shadow=shadow, noise=0.4)
    cutout = cut_out(pixels)
    assert iou(cutout.pixels[..., 3], alpha) > 0.95


def test_a_white_product_that_cannot_be_told_from_its_backdrop_needs_review():
    pixels, _ = photograph(242, colour=(240, 240, 240))
    cutout = cut_out(pixels)
    assert cutout.needs_review
    assert {Reason.FAINT_EDGE, Reason.NOTHING_FOUND} & set(cutout.reasons)


def test_colours_are_the_photographs_own_where_the_product_is_whole():
    pixels, alpha = photograph(230)
    found = cut_out(pixels).pixels
    whole = found[..., 3] == 255
    assert np.count_nonzero(whole) > 0.95 * np.count_nonzero(alpha == 1)
    assert np.array_equal(found[whole], pixels[whole])
    assert not found[found[..., 3] == 0].any()


def test_an_edge_has_no_colour_of_the_backdrop():
    pixels, _ = photograph((60, 220, 60), colour=(180, 60, 50))
    found = cut_out(pixels).pixels
    edge = (found[..., 3] > 40) & (found[..., 3] < 255)
    assert edge.sum() > 200
    # The product's green is at most 72; half of the backdrop would be 140.
    assert np.quantile(found[edge][:, 1], 0.95) < 90


def test_the_backdrop_is_seen_through_a_handle():
    pixels, alpha = photograph(225, hole=True)
    cutout = cut_out(pixels)
    assert iou(cutout.pixels[..., 3], alpha) > 0.98
    assert cutout.pixels[125, 188, 3] == 0
    assert Reason.HOLES in cutout.reasons


def test_a_product_that_the_frame_cuts_needs_review():
    pixels, _ = photograph(235, shift=70)
    cutout = cut_out(pixels)
    assert cutout.reasons[0] is Reason.TOUCHES_FRAME
    assert cutout.needs_review


def test_an_empty_backdrop_has_nothing_on_it():
    rng = np.random.default_rng(2)
    pixels = np.full((SIDE, SIDE, 4), 255, np.uint8)
    pixels[..., :3] = np.clip(240 + rng.normal(0, 1, (SIDE, SIDE, 3)), 0, 255)
    cutout = cut_out(pixels)
    assert (cutout.confidence, cutout.reasons) == (0.0, (Reason.NOTHING_FOUND,))


def room() -> np.ndarray:
    rng = np.random.default_rng(4)
    coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
    pixels = np.full((SIDE, SIDE, 4), 255, np.uint8)
    pixels[..., :3] = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return pixels


def test_a_room_is_no_plain_backdrop():
    cutout = cut_out(room())
    assert (cutout.confidence, cutout.reasons) == (0.0, (Reason.BACKDROP_NOT_PLAIN,))
    assert not cutout.pixels.any()


class Known:
    """A network that has seen an answer."""

    def __init__(self, alpha: np.ndarray) -> None:
        self.found = (alpha * 255).astype(np.uint8)

    def segment(self, pixels):
        assert pixels.shape == (SIDE, SIDE, 3)
        return self.found


def in_room(colour=(60, 170, 210)) -> np.ndarray:
    pixels = room()
    alpha = product_alpha()[..., None]
    pixels[..., :3] = pixels[..., :3] * (1 - alpha) + np.array(colour) * alpha
    return pixels


def test_a_network_cuts_what_stands_in_a_room():
    alpha = product_alpha()
    pixels = in_room()
    cutout = cut_out(pixels, network=Known(alpha))
    assert (cutout.method, cutout.needs_review) == (Method.NETWORK, False)
    assert iou(cutout.pixels[..., 3], alpha) > 0.97
    whole = cutout.pixels[..., 3] == 255
    assert np.array_equal(cutout.pixels[whole], pixels[whole])


def test_where_a_network_cannot_tell_a_person_should_look():
    alpha = product_alpha() * 0.9
    columns = np.arange(SIDE) > SIDE // 2
    alpha[:, columns] *= 0.6
    cutout = cut_out(in_room(), network=Known(alpha))
    assert cutout.reasons[0] is Reason.NETWORK_UNSURE
    assert cutout.needs_review


def test_a_network_that_sees_nothing_finds_nothing():
    cutout = cut_out(in_room(), network=Known(np.zeros((SIDE, SIDE))))
    assert (cutout.confidence, cutout.reasons) == (0.0, (Reason.NOTHING_FOUND,))
    assert not cutout.pixels.any()


def test_before_a_plain_backdrop_a_network_changes_no_pixel_but_doubts():
    pixels, alpha = photograph(235)
    alone = cut_out(pixels)
    agreed = cut_out(pixels, network=Known(alpha))
    assert agreed.method is Method.BACKDROP
    assert np.array_equal(agreed.pixels, alone.pixels)
    assert (agreed.confidence, agreed.reasons) == (alone.confidence, alone.reasons)
    half = np.where(np.arange(SIDE) < SIDE // 2, alpha, 0)
    doubted = cut_out(pixels, network=Known(half))
    assert np.array_equal(doubted.pixels, alone.pixels)
    assert doubted.reasons[0] is Reason.NETWORK_DISAGREES
    assert doubted.needs_review


def test_the_files_own_transparency_is_believed():
    pixels, alpha = photograph(room()[..., :3])
    pixels[..., 3] = alpha * 255
    cutout = cut_out(pixels)
    assert cutout.method is Method.ALPHA
    assert np.array_equal(cutout.pixels[..., 3], pixels[..., 3])
    assert cutout.confidence == 1


def test_a_mask_that_came_along_is_believed_before_everything_else():
    pixels, _ = photograph(235)
    mask = (product_alpha(shift=-20) * 255).astype(np.uint8)
    cutout = cut_out(pixels, mask=mask)
    assert cutout.method is Method.MASK
    assert np.array_equal(cutout.pixels[..., 3], mask)


def test_a_mask_of_another_size_is_refused():
    pixels, _ = photograph(235)
    with pytest.raises(MaskMismatchError, match="255 × 256 pixels and its photograph 256 × 256"):
        cut_out(pixels, mask=np.zeros((256, 255), np.uint8))


def test_two_large_parts_are_reported():
    first, second = product_alpha(shift=-60), np.roll(product_alpha(), 75, axis=1)
    pixels, _ = photograph(235)
    mask = (np.clip(first + np.roll(second, -10, axis=1), 0, 1) * 255).astype(np.uint8)
    mask[:, 125:135] = 0
    assert Reason.SEVERAL_PARTS in cut_out(pixels, mask=mask).reasons


@pytest.mark.parametrize("backdrop", [235, 200, 150])
@pytest.mark.parametrize("shadow", [0.25, 0.4])
def test_the_end_of_a_shadow_is_no_part_of_the_product(backdrop, shadow):
    pixels, alpha = photograph(backdrop, shadow=shadow)
    found = cut_out(pixels).pixels[..., 3]
    beyond = ndimage.distance_transform_edt(alpha == 0) > 2
    assert np.count_nonzero((found > 60) & beyond) <= 4


@pytest.mark.parametrize("backdrop", [235, 210, gradient(250, 220)], ids=["light", "grey", "lit"])
@pytest.mark.parametrize("colour", [(215, 180, 200), (150, 190, 220)])
def test_nothing_is_left_of_a_shadow_that_is_darker_than_its_product(backdrop, colour):
    pixels, alpha = photograph(backdrop, colour=colour, shadow=0.3)
    found = cut_out(pixels).pixels[..., 3]
    beyond = ndimage.distance_transform_edt(alpha == 0) > 2
    assert not ((found >= 128) & beyond).any()
    assert np.abs(found / 255 - alpha).mean() < 0.0005
