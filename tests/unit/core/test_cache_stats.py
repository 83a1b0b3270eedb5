"""Counting what the caches do, in the memory of one process."""

from concurrent.futures import ThreadPoolExecutor

from core.cache_stats import Amount, Counters, Holding, Level, Outcome


def test_counts_add_up_and_are_given_once():
    counters = Counters()
    for seconds in (1.0, 2.0):
        counters.count(
            Level.RESULT, Outcome.HIT, tenant="shop", steps_saved=20, seconds_saved=seconds
        )
    counters.count(Level.EMBEDDING, Outcome.MISS, number=3)
    assert counters.take() == {
        ("shop", Level.RESULT, Outcome.HIT): Amount(number=2, steps_saved=40, seconds_saved=3.0),
        ("", Level.EMBEDDING, Outcome.MISS): Amount(number=3),
    }
    assert counters.take() == {}


def test_nothing_is_counted_as_nothing():
    counters = Counters()
    counters.count(Level.RESULT, Outcome.MISS, number=0)
    assert counters.take() == {}


def test_what_could_not_be_written_is_given_again_with_what_came_since():
    counters = Counters()
    counters.count(Level.RESULT, Outcome.HIT, number=2, steps_saved=8)
    taken = counters.take()
    counters.count(Level.RESULT, Outcome.HIT, steps_saved=4)
    counters.put_back(taken)
    assert counters.take() == {("", Level.RESULT, Outcome.HIT): Amount(number=3, steps_saved=12.0)}


def test_threads_lose_no_count():
    counters = Counters()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: counters.count(Level.RESULT, Outcome.HIT), range(2000)))
    ((_, amount),) = counters.take().items()
    assert amount.number == 2000


def test_a_holding_is_the_last_one_said():
    counters = Counters()
    counters.hold(Level.EMBEDDING, size=10, entries=1)
    counters.hold(Level.EMBEDDING, size=30, entries=2)
    assert counters.holdings() == {Level.EMBEDDING: Holding(size=30, entries=2)}
