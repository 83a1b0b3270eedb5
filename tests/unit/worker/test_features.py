"""What a row keeps between its steps, and which variant it runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles.manifest import BlockCache, DeepCache, FeatureVariant
from core.errors import BundleError
from worker.features import CachingSchedule, CachingSchedules, RowFeatures, Side, load_alignment

DEEP = DeepCache(
    interval=3,
    variants=(
        FeatureVariant(name="full", leaves=("deep",)),
        FeatureVariant(name="shallow", takes=("deep",), work=0.25),
    ),
)
BLOCKS = BlockCache(
    threshold=0.15,
    steps=10,
    changes={"a": tuple(0.1 * call for call in range(10))},
    variants=(
        FeatureVariant(name="full", leaves=("a",)),
        FeatureVariant(name="reuse-1", takes=("a",), work=0.5),
    ),
)


def feature(value: float) -> np.ndarray:
    return np.full((2, 3, 3), value, np.float32)


def walk(features: RowFeatures, calls: range, *, guided=lambda call: True) -> list[int]:
    """Take a row through its calls as the engine does; give the variants that were run."""
    places = []
    for call in calls:
        sides = list(Side) if guided(call) else [Side.PROMPT]
        place = features.variant(call, guided=guided(call))
        for side in sides:
            features.take(side, call, place)
        wanted = features.wanted(call, place)
        features.leave(
            call, place, {side: {name: feature(call) for name in wanted} for side in sides}
        )
        places.append(place)
    return places


def test_a_row_follows_its_plan():
    features = RowFeatures(CachingSchedule(DEEP, 10))
    assert walk(features, range(10)) == [0, 1, 1, 0, 1, 1, 0, 1, 1, 0]
    assert features.cheap_calls == 6
    assert features.saved == pytest.approx(6 * 0.75)


def test_nothing_is_left_of_a_finished_row():
    features = RowFeatures(CachingSchedule(DEEP, 10))
    walk(features, range(5))
    assert features.nbytes == 2 * feature(0).nbytes
    walk(features, range(5, 10))
    assert features.nbytes == 0


def test_a_row_that_begins_in_the_middle_begins_in_full():
    features = RowFeatures(CachingSchedule(DEEP, 12))
    assert walk(features, range(4, 12)) == [0, 1, 0, 1, 1, 0, 1, 1]


def test_a_row_whose_guidance_begins_at_a_cheap_step_runs_it_in_full():
    features = RowFeatures(CachingSchedule(DEEP, 12))
    places = walk(features, range(12), guided=lambda call: 4 <= call < 8)
    assert places == [0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1]


def test_features_without_a_prompt_go_with_the_guidance():
    features = RowFeatures(CachingSchedule(DEEP, 12))
    walk(features, range(5))
    both = features.nbytes
    walk(features, range(5, 6), guided=lambda call: False)
    assert features.nbytes < both
    assert features.variant(5, guided=True) == 0, "what is left would be stale"


def test_a_side_takes_what_that_side_left():
    features = RowFeatures(CachingSchedule(DEEP, 10))
    left = {Side.PROMPT: {"deep": feature(1)}, Side.NEGATIVE: {"deep": feature(2)}}
    features.leave(0, 0, left)
    assert features.take(Side.PROMPT, 1, 1)["deep"][0, 0, 0] == 1
    assert features.take(Side.NEGATIVE, 1, 1)["deep"][0, 0, 0] == 2


@given(st.integers(1, 60), st.data(), st.sampled_from([DEEP, BLOCKS]), st.booleans())
def test_whatever_a_variant_takes_is_there(calls: int, data, caching, guided: bool):
    start = data.draw(st.integers(0, calls - 1))
    begins = data.draw(st.integers(0, calls))
    ends = data.draw(st.integers(begins, calls))
    features = RowFeatures(CachingSchedule(caching, calls))
    walk(features, range(start, calls), guided=lambda call: guided and begins <= call < ends)
    assert features.nbytes == 0


def test_an_old_feature_is_brought_near_to_the_new_one():
    scale = np.ones((10, 2), np.float32)
    shift = np.zeros((10, 2), np.float32)
    scale[1], shift[1] = (2, 3), (10, 20)
    schedule = CachingSchedule(BLOCKS, 10, {"a.scale": scale, "a.shift": shift})
    assert schedule.plan[:3] == (0, 1, 0)
    features = RowFeatures(schedule)
    features.leave(0, 0, {Side.PROMPT: {"a": feature(5)}})
    taken = features.take(Side.PROMPT, 1, 1)["a"]
    assert (taken[0] == 20).all()
    assert (taken[1] == 35).all()
    tokens = np.full((4, 2), 5, np.float32)
    features.leave(0, 0, {Side.PROMPT: {"a": tokens}})
    assert (features.take(Side.PROMPT, 1, 1)["a"] == [20, 35]).all(), "channels last, too"


def test_scales_hold_only_for_the_calls_they_were_fitted_to():
    twice = {"a.scale": np.full((10, 2), 2, np.float32), "a.shift": np.ones((10, 2), np.float32)}
    features = RowFeatures(CachingSchedule(BLOCKS, 20, twice))
    features.leave(0, 0, {Side.PROMPT: {"a": feature(5)}})
    assert (features.take(Side.PROMPT, 1, 1)["a"] == 5).all()


def test_a_schedule_is_computed_once_for_each_number_of_calls():
    schedules = CachingSchedules(DEEP, None)
    assert schedules.of(20) is schedules.of(20)
    assert schedules.of(21) is not schedules.of(20)


def test_damaged_scales_are_said(tmp_path):
    assert load_alignment(tmp_path) is None
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "feature_alignment.safetensors").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="Build the bundle again"):
        load_alignment(tmp_path)
