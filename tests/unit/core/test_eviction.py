"""A map with budgets, and what leaves it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.eviction import BoundedMap, Policy


def make(policy=Policy.LRU, *, entries=100, size=1000, **values):
    return BoundedMap(policy=policy, max_bytes=size, max_entries=entries, **values)


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (Policy.LRU, "b"),
        (Policy.LFU, "c"),
        (Policy.FIFO, "a"),
        (Policy.LIFO, "c"),
    ],
)
def test_each_policy_has_its_victim(policy, left):
    found = make(policy, entries=3)
    for key in "abc":
        found.put(key, key, size=1)
    for key in "bbaac":
        if key != "c" or policy is not Policy.LFU:
            found.get(key)
    found.put("d", "d", size=1)
    assert {key for key in "abc" if found.get(key) is None} == {left}
    assert found.get("d") == "d"
    assert found.evictions == 1


def test_random_is_repeatable_with_the_same_chance():
    def survivors():
        found = make(Policy.RANDOM, entries=5, chance=random.Random(7))
        for key in range(50):
            found.put(key, key, size=1)
        return [key for key in range(50) if found.get(key) is not None]

    assert survivors() == survivors()
    assert len(survivors()) == 5


def test_bytes_are_a_budget_of_their_own():
    found = make(size=10)
    found.put("a", 1, size=6)
    found.put("b", 2, size=4)
    found.put("c", 3, size=5)
    assert (found.get("a"), found.get("b"), found.get("c")) == (None, 2, 3)
    assert found.size == 9


def test_what_is_larger_than_the_budget_evicts_nothing():
    found = make(size=10)
    found.put("a", 1, size=6)
    found.put("b", 2, size=11)
    assert (found.get("a"), found.get("b"), found.evictions) == (1, None, 0)


def test_without_a_budget_nothing_is_kept():
    for found in (make(entries=0), make(size=0)):
        found.put("a", 1, size=1)
        assert found.get("a") is None


def test_an_entry_lives_from_its_put_however_often_it_is_used():
    now = [0.0]
    found = make(ttl_seconds=10, clock=lambda: now[0])
    found.put("a", 1, size=1)
    now[0] = 9.9
    assert found.get("a") == 1
    now[0] = 10.0
    assert found.get("a") is None
    assert len(found) == 0


def test_a_key_that_is_put_again_has_its_new_size():
    found = make(size=10)
    found.put("a", 1, size=8)
    found.put("a", 2, size=3)
    assert (found.get("a"), found.size, found.evictions) == (2, 3, 0)


@given(
    policy=st.sampled_from(Policy),
    calls=st.lists(
        st.tuples(st.sampled_from("gp"), st.integers(0, 9), st.integers(0, 22)), max_size=200
    ),
)
def test_budgets_hold_whatever_is_called(policy, calls):
    found = make(policy, entries=4, size=20)
    model = {}
    for call, key, size in calls:
        if call == "p":
            found.put(key, (key, size), size=size)
            model[key] = (key, size)
        else:
            assert found.get(key) in (None, model.get(key))
        assert len(found) <= 4
        assert found.size <= 20
