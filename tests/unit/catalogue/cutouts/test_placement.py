"""Products stand where the rule says, and are not enlarged without a word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.cutouts.placement import Anchor, NothingToPlaceError, PlacementRule, place
from core.errors import InvalidRequestError


def alpha(wide: int, tall: int, *, side: int = 600) -> np.ndarray:
    found = np.zeros((side, side), np.uint8)
    found[40 : 40 + tall, 90 : 90 + wide] = 255
    return found


def test_the_longer_side_takes_the_fill_in_the_middle_of_the_canvas():
    spot = place(alpha(400, 200), PlacementRule(width=400, height=400, fill=0.8))
    assert spot.source == (90, 40, 490, 240)
    assert spot.size == (320, 160)
    assert (spot.left, spot.top) == (40, 120)
    assert spot.resampled
    assert spot.notes == ()


def test_products_of_any_height_stand_on_one_line():
    rule = PlacementRule(width=400, height=400, anchor=Anchor.GROUND, ground_line=0.9)
    spots = [place(alpha(300, tall), rule) for tall in (80, 300, 500)]
    assert {spot.top + spot.size[1] for spot in spots} == {360}
    assert min(spot.top for spot in spots) >= 12


def test_what_nobody_sees_does_not_move_a_product():
    faint = alpha(400, 200)
    faint[faint == 0] = 7
    rule = PlacementRule(width=400, height=400)
    assert place(faint, rule) == place(alpha(400, 200), rule)


def test_a_small_product_keeps_its_own_pixels_and_it_is_noted():
    spot = place(alpha(100, 100), PlacementRule(width=400, height=400, fill=0.8))
    assert spot.size == (100, 100)
    assert not spot.resampled
    assert "has 31% of the pixels" in spot.notes[0]


def test_a_small_product_is_enlarged_where_that_is_wanted_and_it_is_noted():
    spot = place(alpha(100, 100), PlacementRule(width=400, height=400, fill=0.8, enlarge=True))
    assert spot.size == (320, 320)
    assert "320%" in spot.notes[0]


@given(
    wide=st.integers(1, 500),
    tall=st.integers(1, 500),
    width=st.integers(50, 900),
    height=st.integers(50, 900),
    fill=st.floats(0.1, 1),
    margin=st.floats(0, 0.2),
    anchor=st.sampled_from(Anchor),
    enlarge=st.booleans(),
)
def test_a_product_is_always_within_the_margins(
    wide, tall, width, height, fill, margin, anchor, enlarge
):
    rule = PlacementRule(
        width=width, height=height, fill=fill, margin=margin, anchor=anchor, enlarge=enlarge
    )
    spot = place(alpha(wide, tall), rule)
    # A pixel of rounding on either side.
    assert spot.left >= margin * width - 1
    assert spot.left + spot.size[0] <= (1 - margin) * width + 1
    assert spot.top >= max(0, margin * height - 1)
    lowest = 1 - margin if anchor is Anchor.CENTRE else rule.ground_line
    assert spot.top + spot.size[1] <= lowest * height + 1
    assert enlarge or spot.scale <= 1


def test_nothing_is_placed_nowhere():
    with pytest.raises(NothingToPlaceError):
        place(np.zeros((9, 9), np.uint8), PlacementRule(width=400, height=400))


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"fill": 0}, {"fill": 1.1}, {"margin": 0.5}, {"ground_line": 0.01}]
)
def test_rules_without_room_are_refused(wrong):
    with pytest.raises(InvalidRequestError):
        PlacementRule(**{"width": 400, "height": 400} | wrong)
