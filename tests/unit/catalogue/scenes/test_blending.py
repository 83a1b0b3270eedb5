"""What a masked row begins with, and the product's own pixels put back at the end."""

import numpy as np
import pytest

from catalogue.cutouts.placement import Anchor, PlacementRule
from catalogue.scenes.blending import blend_source, latent_mask, put_back, scene_colour
from tests.unit.catalogue.scenes.drawing import mug

RULE = PlacementRule(width=320, height=320, fill=0.9, anchor=Anchor.GROUND, ground_line=0.85)
WIDE = PlacementRule(width=480, height=320, fill=0.6, anchor=Anchor.GROUND, ground_line=0.9)


def test_one_pixel_changes_its_cell_and_the_eight_around():
    changeable = np.zeros((48, 56), bool)
    changeable[23, 24] = True
    changeable[47, 0] = True
    expected = np.array(
        [
            [0, 0, 0, 0, 0, 0, 0],
            [0, 0, 1, 1, 1, 0, 0],
            [0, 0, 1, 1, 1, 0, 0],
            [0, 0, 1, 1, 1, 0, 0],
            [1, 1, 0, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0, 0],
        ],
        np.float32,
    )
    found = latent_mask(changeable)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected[None])


def test_what_may_not_be_changed_at_all_stays_and_cells_may_have_any_side():
    assert not latent_mask(np.zeros((8, 8), bool), 4).any()
    assert latent_mask(np.ones((8, 8), bool), 4).all()
    with pytest.raises(ValueError, match="not whole cells"):
        latent_mask(np.zeros((8, 12), bool))


@pytest.mark.parametrize("rule", [RULE, WIDE])
def test_latents_that_stay_are_whole_product_a_cell_deep(rule):
    source = blend_source(mug(), rule, (256, 192), fill=(10, 200, 10))
    assert source.pixels.shape == (192, 256, 3)
    assert source.mask.shape == (1, 24, 32)
    kept = np.argwhere(source.mask[0] == 0)
    assert len(kept) > 20
    for row, column in kept:
        around = source.pixels[8 * row - 8 : 8 * row + 16, 8 * column - 8 : 8 * column + 16]
        # The mug is red, and nothing of the green fill is mixed into it.
        assert (around[..., 0] > around[..., 1]).all()
    assert (source.pixels[0, 0] == (10, 200, 10)).all()


@pytest.mark.parametrize("rule", [RULE, WIDE])
def test_the_product_goes_back_where_the_model_saw_it(rule):
    source = blend_source(mug(), rule, (256, 192), fill=(10, 200, 10))
    made = put_back(source.pixels, mug(), rule)
    assert made.pixels.shape == (rule.height, rule.width, 3)
    assert made.fidelity.is_identical
    assert made.fidelity.expansion <= 0.01
    red = made.pixels[..., 0] > made.pixels[..., 1].astype(int) + 30
    # The model's copy, enlarged, is hidden behind the original but for its soft edge.
    beyond = np.count_nonzero(red & (made.mask == 0)) / np.count_nonzero(made.mask == 255)
    assert beyond < 0.03


def test_a_product_that_the_model_went_on_drawing_is_told():
    source = blend_source(mug(), RULE, (256, 256), fill=(90, 120, 90))
    pixels = source.pixels.copy()
    rows, columns = np.nonzero(pixels[..., 0] > pixels[..., 1])
    middle = (rows.min() + rows.max()) // 2
    # A second handle, on the other side.
    pixels[middle - 14 : middle + 14, columns.min() - 10 : columns.min() + 2] = (180, 60, 50)
    assert put_back(source.pixels, mug(), RULE).fidelity.expansion <= 0.01
    assert put_back(pixels, mug(), RULE).fidelity.expansion > 0.01


def test_a_scenes_colour_is_its_mean():
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:2] = (200, 100, 50)
    assert scene_colour(pixels) == (100, 50, 25)
