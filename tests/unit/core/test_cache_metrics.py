"""Counting what the caches do."""

from core.cache_metrics import Level, Outcome, count
from core.cache_stats import Amount
from tests.cache_counts import CacheCounts


def test_counts_add_up():
    counts = CacheCounts()
    for seconds in (1.0, 2.0):
        count(Level.RESULT, Outcome.HIT, steps_saved=20, seconds_saved=seconds)
    count(Level.EMBEDDING, Outcome.MISS, number=3)
    count(Level.IN_FLIGHT, Outcome.HIT, number=0, steps_saved=4)
    assert counts.take() == {
        (Level.RESULT, Outcome.HIT): Amount(number=2, steps_saved=40, seconds_saved=3.0),
        (Level.EMBEDDING, Outcome.MISS): Amount(number=3),
        (Level.IN_FLIGHT, Outcome.HIT): Amount(steps_saved=4),
    }
    assert counts.take() == {}


def test_nothing_is_counted_as_nothing():
    counts = CacheCounts()
    count(Level.RESULT, Outcome.MISS, number=0)
    assert counts.take() == {}
