"""Networks get what their authors' programs give them."""

import numpy as np
import pytest

from catalogue.cutouts.segmentation import LAYOUTS


@pytest.mark.parametrize(
    ("name", "side", "grey"),
    [
        # (1 - mean) / std of each channel: a uniform photograph's brightest level is its own.
        ("u2net", 320, [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]),
        ("isnet", 1024, [0.0, 0.0, 0.0]),
        ("birefnet", 1024, [(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225]),
    ],
)
def test_a_grey_photograph_is_normalised_as_published(name, side, grey):
    pixels = np.full((30, 40, 3), 127.5, np.float32).round().astype(np.uint8)
    prepared = LAYOUTS[name].prepare(pixels)
    assert prepared.shape == (1, 3, side, side)
    assert prepared.dtype == np.float32
    assert np.abs(prepared[0, :, 5, 5] - grey).max() < 0.02


def test_black_photographs_are_no_division_by_zero():
    assert np.isfinite(LAYOUTS["u2net"].prepare(np.zeros((20, 20, 3), np.uint8))).all()


def test_logits_become_shares_and_spread_outputs_their_whole_range():
    logits = np.array([[[[-20.0, 0.0], [20.0, 0.0]]]], np.float32)
    assert LAYOUTS["birefnet"].finish(logits, (2, 2)).tolist() == [[0, 128], [255, 128]]
    shares = np.array([[[[0.25, 0.5], [0.75, 0.5]]]], np.float32)
    assert LAYOUTS["isnet"].finish(shares, (2, 2)).tolist() == [[0, 128], [255, 128]]


def test_a_mask_comes_in_the_photographs_size():
    assert LAYOUTS["isnet"].finish(np.zeros((1, 1, 64, 64), np.float32), (30, 20)).shape == (20, 30)
