"""What the chaos benchmark strikes, and when."""

from collections import Counter
from itertools import pairwise

import pytest

from benchmarks.chaos_plan import KINDS, Kind, Terms, draw_blows

SERVICES, SERVERS = ("worker", "api"), ("valkey", "postgres", "s3")


def draw(seed: int, **values):
    terms = Terms(
        **{"seconds": 300, "every": 20, "outage": 30, "absence": 5, "seed": seed} | values
    )
    return draw_blows(terms, services=SERVICES, servers=SERVERS)


def test_the_same_seed_gives_the_same_blows():
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize("seed", range(20))
def test_each_process_is_struck_again_and_again_within_the_time(seed):
    blows = draw(seed)
    assert blows == sorted(blows, key=lambda blow: blow.at)
    assert all(0 <= blow.at <= 300 for blow in blows)
    assert Counter(blow.target for blow in blows) == {
        **dict.fromkeys(("worker", "api", "valkey", "postgres"), 15),
        "s3": 4,
    }


@pytest.mark.parametrize("seed", range(20))
def test_s3_is_away_for_its_time_by_turns_killed_stopped_and_slow(seed):
    outages = [blow for blow in draw(seed) if blow.target == "s3"]
    kinds = [Kind.KILLED, Kind.FROZEN, Kind.SLOW, Kind.KILLED]
    assert [blow.kind for blow in outages] == kinds
    assert {blow.away for blow in outages} == {30}
    assert all(one.at + one.away <= next_.at for one, next_ in pairwise(outages))


def test_each_server_suffers_everything_that_it_can_and_processes_are_killed():
    suffered = {(blow.target, blow.kind) for blow in draw(0)}
    assert suffered == {
        *((target, kind) for target, kinds in KINDS.items() for kind in kinds),
        *((target, Kind.KILLED) for target in SERVICES),
    }


def test_however_short_everything_is_struck_twice():
    assert set(Counter(blow.target for blow in draw(0, seconds=10, outage=2)).values()) == {2}


def test_a_supervisor_decides_when_its_services_come_back():
    assert {blow.away for blow in draw(0) if blow.target in SERVICES} == {0.0}
    assert all(0 <= blow.away <= 5 for blow in draw(0) if blow.target in ("valkey", "postgres"))
