"""Step plans: which variant runs when, whatever the number of steps."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles.manifest import BlockCache, DeepCache, FeatureVariant
from bundles.step_plan import (
    FULL,
    LEAST_STEPS,
    choose_variants,
    full_steps,
    kept_after,
    sources,
    step_plan,
    work,
)

DEEP_VARIANTS = (
    FeatureVariant(name="full", leaves=("deep",)),
    FeatureVariant(name="shallow", takes=("deep",), work=0.2),
)
BLOCK_VARIANTS = (
    FeatureVariant(name="full", leaves=("a", "b")),
    FeatureVariant(name="reuse-1", takes=("a",), leaves=("b",), work=0.7),
    FeatureVariant(name="reuse-2", takes=("a", "b"), work=0.4),
)


def deep(interval: int, schedule: str = "uniform") -> DeepCache:
    return DeepCache(interval=interval, schedule=schedule, variants=DEEP_VARIANTS)


def block(threshold: float, **changes: tuple[float, ...]) -> BlockCache:
    return BlockCache(
        threshold=threshold,
        steps=len(changes["a"]),
        changes=changes,
        variants=BLOCK_VARIANTS,
    )


def line(slope: float, calls: int) -> tuple[float, ...]:
    return tuple(slope * call for call in range(calls))


cachings = st.one_of(
    st.builds(deep, st.integers(2, 7), st.sampled_from(["uniform", "centred"])),
    st.builds(
        lambda threshold, a, b: block(threshold, a=line(a, 20), b=line(b, 20)),
        st.floats(0.01, 2),
        st.floats(0, 1),
        st.floats(0, 1),
    ),
)


def test_one_step_in_every_interval_is_full():
    assert step_plan(deep(3), 11) == (0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1)


def test_a_centred_schedule_has_as_many_full_steps_closest_at_its_centre():
    places = full_steps(deep(5, "centred"), 50)
    assert places[0] == 0
    assert len(places) == len(full_steps(deep(5), 50)) == 10
    gaps = [later - earlier for earlier, later in itertools.pairwise(places)]
    narrowest = places[gaps.index(min(gaps))]
    assert 10 <= narrowest <= 20
    assert gaps[-1] == max(gaps)


@pytest.mark.parametrize("calls", range(1, LEAST_STEPS))
def test_a_picture_of_few_steps_runs_every_one_in_full(calls: int):
    assert step_plan(deep(2), calls) == (FULL,) * calls
    assert step_plan(block(9.0, a=line(0.1, 20), b=line(0.1, 20)), calls) == (FULL,) * calls


@given(cachings, st.integers(1, 150))
def test_whatever_is_taken_was_left_before(caching, calls: int):
    plan = step_plan(caching, calls)
    assert len(plan) == calls
    assert plan[0] == FULL
    left: set[str] = set()
    for place, origin in zip(plan, sources(caching, plan), strict=True):
        variant = caching.variants[place]
        assert set(variant.takes) <= left
        assert set(origin) == set(variant.takes)
        left |= set(variant.leaves)
    assert work(caching, plan) <= calls


@given(cachings, st.integers(1, 150))
def test_what_is_kept_is_what_is_taken_next(caching, calls: int):
    plan = step_plan(caching, calls)
    kept = kept_after(caching, plan)
    for call in range(calls):
        for name in caching.variants[FULL].leaves:
            uses = [
                name in caching.variants[place].takes
                for place in plan[call + 1 :]
                if name in {*caching.variants[place].takes, *caching.variants[place].leaves}
            ]
            assert (name in kept[call]) is (bool(uses) and uses[0])


@given(st.floats(0.05, 2), st.integers(LEAST_STEPS, 150))
def test_no_feature_is_taken_that_changed_by_more_than_allowed(threshold: float, calls: int):
    steep = tuple(call**0.5 for call in range(20))
    caching = block(threshold, a=line(0.05, 20), b=steep)
    plan = step_plan(caching, calls)
    for call, origin in enumerate(sources(caching, plan)):
        for name, source in origin.items():
            curve = caching.changes[name]
            # Between the places that are known, a curve rises by no more than its steepest part.
            now, then = (at * 19 / (calls - 1) for at in (call, source))
            assert curve[int(now)] - curve[min(19, int(then) + 1)] <= threshold + 1e-9


def test_the_variant_that_saves_most_goes_first_and_a_spent_one_falls_back():
    changes = {"a": line(0.1, 6), "b": line(0.3, 6)}
    plan = choose_variants(BLOCK_VARIANTS, changes, 0.35)
    # b is fresh for one step, a for three.
    assert plan == (0, 2, 1, 2, 0, 2)


def test_twice_the_steps_change_half_as_much_each():
    caching = block(0.25, a=line(0.1, 20), b=line(0.1, 20))
    assert step_plan(caching, 20)[:7] == (0, 2, 2, 0, 2, 2, 0)
    assert step_plan(caching, 39)[:7] == (0, 2, 2, 2, 2, 2, 0)
