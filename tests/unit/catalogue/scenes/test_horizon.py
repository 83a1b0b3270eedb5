"""The ground of a background is found, and lies under the product."""

import numpy as np
import pytest

from catalogue.scenes.horizon import choose_window, find_horizon
from tests.unit.catalogue.scenes.drawing import room


@pytest.mark.parametrize("horizon", [0.25, 0.4, 0.6, 0.85])
def test_where_wall_and_floor_meet_is_found(horizon):
    rng = np.random.default_rng(1)
    pixels = room(horizon, height=256).astype(int)
    noisy = (pixels + rng.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8)
    assert find_horizon(noisy) == pytest.approx(horizon, abs=0.02)


def test_what_has_no_horizon_is_not_given_one():
    rng = np.random.default_rng(2)
    plain = np.full((128, 128, 3), 180, np.uint8)
    noise = rng.integers(90, 170, (128, 128, 3), np.uint8)
    slope = np.linspace(240, 120, 128).astype(np.uint8)[:, None, None].repeat(128, 1).repeat(3, 2)
    thing = plain.copy()
    thing[60:100, 40:80] = 20
    assert [find_horizon(one) for one in (plain, noise, slope, thing)] == [None] * 4


@pytest.mark.parametrize("size", [(100, 100), (100, 200), (200, 100), (333, 77)])
@pytest.mark.parametrize("horizon", [0.3, 0.6])
def test_a_window_has_the_canvas_shape_and_ground_under_the_foot(size, horizon):
    background = room(horizon, height=96)
    window = choose_window(background, size, 0.86)
    wide, tall = window.right - window.left, window.bottom - window.top
    assert wide / tall == pytest.approx(size[0] / size[1])
    assert window.left >= 0 <= window.top
    assert window.right <= 96 + 1e-6 >= window.bottom
    assert (horizon * 96 - window.top) / tall <= 0.86


def test_a_background_is_shown_whole_where_nothing_speaks_against_it():
    window = choose_window(room(0.4), (1000, 1000), 0.86)
    assert (window.left, window.top, window.right, window.bottom) == (0, 0, 96, 96)


def test_a_low_ground_is_moved_up():
    shelf = room(0.9, height=96)
    window = choose_window(shelf, (100, 100), 0.9)
    assert window.bottom == pytest.approx(96)
    assert window.bottom - window.top < 96
    assert (0.9 * 96 - window.top) / (window.bottom - window.top) < 0.9
