"""What the caches did, added up from jobs."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from core import cache_stats
from core.cache_metrics import Level
from core.cache_stats import WINDOW, Amount
from core.db.models import Generation, Job
from core.domain.states import CacheOutcome


def stats(shop, tenant="shop", **values):
    with shop.database.session() as session:
        return cache_stats.read(session, tenant=tenant, **values)


def hits(shop, tenant="shop", **values):
    return {one.level: one.hit for one in stats(shop, tenant, **values).levels}


@pytest.fixture
def computed(shop, store):
    """An image of 2.5 seconds that three jobs were answered with, and one joined."""
    image = store.make("red mug")
    with shop.database.session() as session:
        session.get_one(Generation, image.generation_id).seconds = 2.5
    for _ in range(3):
        shop.want("red mug")
    return image


def test_hits_spare_the_steps_and_seconds_of_what_answered_them(shop, computed):
    (job, *_) = shop.jobs(generation_id=computed.generation_id)
    found = stats(shop)
    assert (found.jobs, found.since) == (4, job.created_at)
    (result, in_flight, approximate) = found.levels
    assert result.hit == Amount(number=3, steps_saved=3 * job.steps, seconds_saved=7.5)
    assert (result.misses, in_flight.misses, approximate.misses) == (1, 1, None)
    assert in_flight.hit == approximate.hit == Amount()
    assert stats(shop, "other").jobs == 0
    assert stats(shop, None).jobs == 4


def test_a_job_that_joined_spares_nothing_before_its_image_is_there(shop):
    (first,) = shop.want("red mug").job_ids
    shop.want("red mug")
    assert hits(shop)[Level.IN_FLIGHT] == Amount(number=1)
    shop.succeed(shop.start(first))
    spared = hits(shop)[Level.IN_FLIGHT]
    assert (spared.number, spared.steps_saved) == (1, shop.job(first).steps)


def test_a_near_prompt_spares_the_steps_that_it_did_not_begin_with(shop):
    (first,) = shop.want("red mug").job_ids
    shop.succeed(shop.start(first))
    with shop.database.session() as session:
        job = session.get_one(Job, first)
        job.cache = CacheOutcome.APPROXIMATE
        session.get_one(Generation, job.generation_id).approximation = {"steps_spared": 6}
    assert hits(shop)[Level.APPROXIMATE] == Amount(number=1, steps_saved=6)


def test_seconds_of_an_image_that_is_gone_are_not_known(shop, computed, janitor, store):
    store.age(hours=2)
    janitor(ttl_seconds=3600).clean()
    result = hits(shop)[Level.RESULT]
    assert (result.number, result.seconds_saved) == (3, 0)
    assert result.steps_saved > 0


def test_older_jobs_and_those_beyond_the_newest_are_left_out(shop, computed):
    assert stats(shop, most=2).jobs == 2
    old = datetime.now(UTC) - WINDOW
    with shop.database.session() as session:
        for number, job in enumerate(shop.jobs(generation_id=None)):
            session.get_one(Job, job.id).id = UUID(
                int=(int(old.timestamp() * 1000) - 1 << 80) + number
            )
    assert stats(shop).jobs == 1
