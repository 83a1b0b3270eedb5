"""What of measured settings is worth having, and how it gets into a manifest."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles.manifest import PRESETS, Defaults, Manifest
from bundles.manifest_file import load_manifest, save_manifest
from core.domain.schedulers import StepLimits
from core.errors import BundleError
from modelkit.evaluation.frontier import (
    Point,
    Setting,
    choose_presets,
    fastest_like,
    frontier,
    seconds_of,
    settings_of,
)
from modelkit.evaluation.presets import ALIKE, Examination, measure_settings, record_presets
from modelkit.progress import Silent


def point(rows: int, distance: float, accuracy: float | None = None, **values) -> Point:
    return Point(
        setting=Setting.of(values.pop("scheduler", "ddim"), rows, 1.0),
        seconds=values.pop("seconds", rows / 10),
        distance=distance,
        distance_error=values.pop("error", 0.0),
        accuracy=accuracy,
        scores={"mmd": distance},
        **values,
    )


def rows(points) -> list[int]:
    return [one.setting.rows for one in points]


def test_what_costs_more_and_gives_less_is_left_out():
    points = [point(40, 0.1), point(8, 0.3), point(4, 0.9), point(12, 0.5), point(60, 0.1)]
    assert rows(frontier(points)) == [4, 8, 40]


def test_what_is_better_in_one_thing_stays():
    points = [point(4, 0.5, 0.9), point(4, 0.4, 0.8), point(8, 0.45, 0.95), point(8, 0.5, 0.9)]
    kept = [(one.setting.rows, one.distance) for one in frontier(points)]
    assert kept == [(4, 0.4), (4, 0.5), (8, 0.45)]


def test_among_bundles_seconds_decide():
    """A bundle of cheaper rows takes more of them in less time."""
    own = [point(8, 0.3, seconds=4.0), point(16, 0.1, seconds=8.0)]
    others = [
        point(16, 0.15, seconds=3.0, bundle="fast"),
        point(8, 0.5, seconds=1.5, bundle="fast"),
    ]
    kept = frontier([*own, *others], seconds_of)
    assert [(one.bundle, one.setting.rows) for one in kept] == [("fast", 8), ("fast", 16), ("", 16)]
    assert fastest_like(others, own[0]) == others[0]
    assert fastest_like(others, own[1]) is None
    blurred = point(16, 0.15, seconds=3.0, error=0.03)
    assert fastest_like([blurred], own[1]) == blurred


def test_guidance_in_some_steps_costs_as_many_rows():
    half = Setting.of("ddim", 10, 3.0, (0.0, 0.5))
    assert (half.rows, half.guidance_start, half.guidance_end) == (15, 0.0, 0.5)
    assert Setting.of("ddim", 10, 3.0, (0.25, 0.75)).rows == 15
    assert Setting.of("ddim", 1, 3.0, (0.2, 0.8)) == Setting.of("ddim", 1, 1.0)
    assert Setting.of("ddim", 1, 3.0, (0.0, 0.5)) == Setting.of("ddim", 1, 3.0)
    embedded = Setting.of("lcm", 4, 8.0, (0.0, 0.5), embedded=True)
    assert (embedded.rows, embedded.guidance_end) == (4, 1.0)


def test_of_equals_the_faster_is_kept():
    slow, fast = point(4, 0.5, seconds=2.0), point(4, 0.5, seconds=1.0, scheduler="euler")
    assert frontier([slow, fast]) == [fast]


figures = st.tuples(
    st.integers(1, 6), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.5, 0.75, 1.0])
)


@given(st.lists(figures, min_size=1, max_size=12))
def test_a_frontier_is_what_no_measured_setting_beats(measured):
    points = [point(*one) for one in measured]
    kept = frontier(points)

    def better(one: Point, other: Point) -> bool:
        pairs = [
            (one.setting.rows, other.setting.rows),
            (one.distance, other.distance),
            (-(one.accuracy or 0), -(other.accuracy or 0)),
        ]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    assert kept
    assert not any(better(one, other) for one, other in combinations(kept, 2))
    assert not any(better(other, one) for one, other in combinations(kept, 2))
    for left_out in points:
        if left_out not in kept:
            same = (left_out.setting.rows, left_out.distance, left_out.accuracy)
            assert any(
                better(one, left_out) or (one.setting.rows, one.distance, one.accuracy) == same
                for one in kept
            )
    assert set(rows(choose_presets(points).values())) <= set(rows(kept))


def test_presets_are_as_far_from_the_best_as_their_names_say():
    points = [point(1, 2.0), point(2, 0.29), point(4, 0.14), point(8, 0.11), point(40, 0.1)]
    chosen = choose_presets(points)
    assert {name: one.setting.rows for name, one in chosen.items()} == {
        "draft": 2, "standard": 4, "best": 40,
    }  # fmt: skip
    assert list(chosen) == list(PRESETS)


def test_a_draft_may_lose_some_attributes_and_the_standard_none():
    points = [point(1, 0.1, 0.80), point(2, 0.1, 0.86), point(4, 0.1, 0.97), point(8, 0.1, 0.99)]
    chosen = choose_presets(points)
    assert {name: one.setting.rows for name, one in chosen.items()} == {
        "draft": 2, "standard": 8, "best": 8,
    }  # fmt: skip


def test_what_cannot_be_told_apart_is_as_good():
    points = [point(4, 0.15, 0.97, error=0.04, accuracy_error=0.02)]
    points += [point(40, 0.10, 0.98, error=0.04, accuracy_error=0.02)]
    assert choose_presets(points)["best"].setting.rows == 4


def test_distances_below_the_floor_are_none():
    points = [point(2, 0.05, floor=0.06), point(40, -0.01, floor=0.06)]
    chosen = choose_presets(points)
    assert chosen["standard"].setting.rows == 2


def test_one_setting_is_all_three():
    assert rows(choose_presets([point(4, 0.5)]).values()) == [4, 4, 4]


def test_settings_begin_with_the_default_and_go_on_from_cheap_to_costly():
    defaults = Defaults(steps=20, guidance_scale=3.0, scheduler="dpmpp_2m")
    limits = {"ddim": StepLimits(), "dpmpp_2m": StepLimits(least=2), "lcm": StepLimits(most=4)}
    found = settings_of(
        defaults,
        limits,
        schedulers=["ddim", "dpmpp_2m", "lcm", "unipc"],
        steps=[1, 8],
        scales=[0.5, 1.0, 3.0],
    )
    assert found[0] == Setting(rows=40, steps=20, guidance_scale=3.0, scheduler="dpmpp_2m")
    assert [(one.rows, one.scheduler, one.steps) for one in found[1:]] == [
        (1, "ddim", 1),
        (1, "lcm", 1),
        (2, "ddim", 1),
        (2, "lcm", 1),
        (8, "ddim", 8),
        (8, "dpmpp_2m", 8),
        (16, "ddim", 8),
        (16, "dpmpp_2m", 8),
    ]


def test_a_scale_that_the_unet_embeds_costs_no_row():
    defaults = Defaults(steps=4, guidance_scale=8.0, scheduler="lcm")
    found = settings_of(
        defaults,
        {"lcm": StepLimits()},
        schedulers=["lcm"],
        steps=[2],
        scales=[0.5, 8.0],
        embedded=True,
    )
    assert [(one.rows, one.steps, one.guidance_scale) for one in found] == [
        (4, 4, 8.0), (2, 2, 0.5), (2, 2, 8.0),
    ]  # fmt: skip


class Clock:
    """Tells the time that drawing has taken."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Drawer:
    """Takes a second for each row, and draws noise that steps take away."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def draw(self, drawings):
        for one in drawings:
            self.clock.now += one.changes["steps"] * (2 if one.changes["guidance_scale"] > 1 else 1)
            rng = np.random.default_rng(one.seed)
            noise = rng.normal(0, 60 / one.changes["steps"], (16, 16, 3))
            image = np.clip(128 + noise, 0, 255).astype(np.uint8)
            yield type("Result", (), {"image": image})()


@pytest.mark.parametrize(
    ("minutes", "measured"), [(0, [40]), (1, [40, 1, 2, 8]), (9, [40, 1, 2, 8, 60])]
)
def test_what_would_take_too_long_is_left_out(minutes, measured):
    clock = Clock()
    settings = [Setting.of("ddim", number, 1.0) for number in (40, 1, 2, 8, 60)]
    examination = Examination(prompts=["a mug"], first_seed=3, scenes=None)
    found = measure_settings(
        Drawer(clock), examination, settings, minutes=minutes, say=Silent(), clock=clock
    )
    assert rows(found.points) == measured
    assert found.unmeasured == 5 - len(measured)
    assert [one.seconds for one in found.points] == measured


def test_without_a_judge_images_are_compared_with_those_that_cost_most():
    clock = Clock()
    settings = [Setting.of("ddim", number, 1.0) for number in (8, 1, 40)]
    examination = Examination(prompts=["a mug", "a lamp"], first_seed=3, scenes=None)
    found = measure_settings(
        Drawer(clock), examination, settings, minutes=9, say=Silent(), clock=clock
    )
    eight, one, most = found.points
    assert most.distance == pytest.approx(0)
    assert 0 < eight.distance < one.distance
    assert most.accuracy is None


def test_presets_are_written_and_the_standard_becomes_the_default(tmp_path):
    before = Manifest(name="mine", revision="0" * 64, source="x", scores={"psnr": 30.0})
    save_manifest(before, tmp_path)
    chosen = choose_presets([point(2, 0.29), point(4, 0.14), point(40, 0.1)])
    record_presets(tmp_path, chosen, b"a picture")
    after = load_manifest(tmp_path)
    assert {name: one.steps for name, one in after.presets.items()} == {
        "draft": 2, "standard": 4, "best": 40,
    }  # fmt: skip
    assert after.presets["best"].scores == {"mmd": 0.1}
    said = after.defaults
    assert (said.steps, said.guidance_scale, said.scheduler) == (4, 1.0, "ddim")
    assert (after.revision, after.scores) == (before.revision, before.scores)
    assert said.width == before.defaults.width
    assert {file.name for file in tmp_path.iterdir()} == {"manifest.json", "presets.webp"}
    assert (tmp_path / "presets.webp").read_bytes() == b"a picture"


def test_presets_need_a_bundle(tmp_path):
    with pytest.raises(BundleError, match="no model bundle"):
        record_presets(tmp_path, choose_presets([point(2, 0.29)]), b"a picture")
    assert not list(tmp_path.iterdir())


def test_without_a_judge_about_the_same_is_as_good():
    points = [
        point(rows, distance, floor=ALIKE)
        for rows, distance in ((1, 0.4), (2, 0.19), (6, 0.09), (12, 0.05), (40, 0.0))
    ]
    chosen = choose_presets(points)
    assert {name: one.setting.rows for name, one in chosen.items()} == {
        "draft": 2, "standard": 6, "best": 12,
    }  # fmt: skip
