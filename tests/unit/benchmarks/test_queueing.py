"""The simulation of many workers gives what the theory of queues gives where that is exact."""

import pytest

from benchmarks.queueing import JobCosts, simulate

FREE = JobCosts(
    postgres_seconds=0.0,
    redis_seconds=0.0,
    postgres_share_of_worker=0.0,
    redis_share_of_worker=0.0,
    connections_of_worker=3.0,
)


def run(workers: int = 20, seconds: float = 1.0, postgres_cores: int = 2, **costs: float):
    return simulate(
        JobCosts(**{**vars(FREE), **costs}),
        workers=workers,
        seconds=seconds,
        postgres_cores=postgres_cores,
    )


@pytest.mark.parametrize("workers", [1, 7, 50])
def test_workers_that_share_nothing_are_linear(workers):
    found = run(workers)
    assert found.share_of_linear == pytest.approx(1.0, abs=0.05)
    assert (found.postgres_busy, found.redis_busy) == (0.0, 0.0)
    assert found.connections == 3 * workers


@pytest.mark.parametrize(
    ("costs", "most"),
    [
        ({"postgres_seconds": 0.5}, 2 / 0.5),
        ({"redis_seconds": 0.2}, 1 / 0.2),
        # Half of Postgres is taken by workers that are there.
        ({"postgres_seconds": 0.5, "postgres_share_of_worker": 0.05}, 2 / 0.5 / 2),
    ],
)
def test_what_is_full_gives_no_more_than_its_bound(costs, most):
    """The bound of a closed network: places through service demand (Denning and Buzen, 1978)."""
    found = run(**costs)
    assert found.images_per_second == pytest.approx(most, rel=0.1)
    assert max(found.postgres_busy, found.redis_busy) == pytest.approx(1.0, abs=0.05)
    assert found.share_of_linear < 0.5


def test_utilisation_is_what_goes_through_times_what_it_costs():
    """The utilisation law, which holds whatever the lengths of visits are."""
    found = run(workers=8, postgres_seconds=0.1, redis_seconds=0.02)
    assert found.postgres_busy == pytest.approx(found.images_per_second * 0.1 / 2, rel=0.1)
    assert found.redis_busy == pytest.approx(found.images_per_second * 0.02, rel=0.1)
    assert 0 < found.claim_seconds_p95 < 1
