"""The replayed trace, and the optimum that policies are compared with."""

import itertools

import pytest

from benchmarks.trace import hit_rate, make_trace, optimal_hit_rate
from core.eviction import Policy


def test_the_optimum_is_beladys():
    # Belady 1966 with bypassing, worked out by hand: a and b are kept, c and d pass by.
    assert optimal_hit_rate(list("abcabdab"), entries=2) == 4 / 8
    assert optimal_hit_rate(list("aaaa"), entries=1) == 3 / 4
    assert optimal_hit_rate(list("abcd"), entries=4) == 0


@pytest.mark.parametrize("requests", [list(t) for t in itertools.product("abc", repeat=5)][::13])
def test_nothing_does_better_than_the_optimum(requests):
    best = optimal_hit_rate(requests, entries=2)
    for policy in Policy:
        assert hit_rate(requests, policy, entries=2) <= best


def test_a_trace_is_the_same_for_the_same_seed_and_repeats_what_is_popular():
    values = {"requests": 2000, "products": 200, "exponent": 1.2}
    trace = make_trace(**values, seed=1)
    assert trace == make_trace(**values, seed=1)
    assert trace != make_trace(**values, seed=2)
    assert len(trace) == 2000
    flat = make_trace(requests=2000, products=200, exponent=0.1, seed=1)
    assert len(set(trace)) < len(set(flat))
    assert all(0 <= colour < 5 and 0 <= place < 2 for _, colour, place in trace)
