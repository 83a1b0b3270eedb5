"""What a request wants of the caches, what is purged, and who joins whom."""

import pytest

from core.domain.cache_mode import CacheMode
from core.domain.lanes import Lane, Message
from core.domain.states import CacheOutcome, GenerationState, JobState
from core.lifecycle import cancellation, feeding, purging, rescue
from tests.integration.caches.conftest import HOUR
from tests.integration.shop import Shop, wanted


def outcomes(shop, submission):
    return [shop.job(job).cache for job in submission.job_ids]


def test_a_refresh_computes_anew_and_takes_the_place_of_what_was_stored(store, shop):
    old = store.make("red mug")
    refreshed = shop.want("red mug", cache=CacheMode.REFRESH)
    assert outcomes(shop, refreshed) == [CacheOutcome.MISS]
    # Until the new one is there, the old one answers.
    (meanwhile,) = shop.want("red mug").job_ids
    assert shop.job(meanwhile).image_id == old.id
    new = store.finish(refreshed.job_ids[0])
    (job,) = shop.want("red mug").job_ids
    assert shop.job(job).image_id == new.id
    # Who had the old one keeps it.
    assert shop.job(meanwhile).image_id == old.id


def test_what_was_replaced_goes_when_no_result_names_it(store, shop, janitor):
    old = store.make("red mug")
    new = store.finish(shop.want("red mug", cache=CacheMode.REFRESH).job_ids[0])
    janitor().clean()
    assert store.rows() == {old.id, new.id}
    store.age(hours=2)
    janitor().clean()
    assert store.rows() == {new.id}
    assert store.has(new)


def test_a_refresh_that_fails_leaves_what_was_stored(store, shop):
    old = store.make("red mug")
    (job,) = shop.want("red mug", cache=CacheMode.REFRESH).job_ids
    with shop.database.session() as session:
        cancellation.cancel_job(session, job)
    (again,) = shop.want("red mug").job_ids
    assert shop.job(again).image_id == old.id


def test_refreshes_of_one_image_at_the_same_time_are_computed_once(shop):
    first = shop.want("red mug", cache=CacheMode.REFRESH)
    second = shop.want("red mug", cache=CacheMode.REFRESH)
    assert outcomes(shop, first) == [CacheOutcome.MISS]
    assert outcomes(shop, second) == [CacheOutcome.COALESCED]


def test_a_bypass_reads_nothing_joins_nothing_and_answers_nobody(store, shop):
    stored = store.make("red mug")
    shop.want("blue mug")
    alone = shop.want("red mug", "blue mug", "blue mug", cache=CacheMode.BYPASS, batch=True)
    assert outcomes(shop, alone) == [CacheOutcome.MISS] * 3
    assert len({shop.job(job).generation_id for job in alone.job_ids}) == 3
    assert len(alone.published) == 3
    for job in alone.job_ids:
        store.finish(job)
    (job,) = shop.want("red mug").job_ids
    assert shop.job(job).image_id == stored.id
    # Still the one that was asked for first, and not the bypassing.
    (joined,) = shop.want("blue mug").job_ids
    assert shop.job(joined).cache is CacheOutcome.COALESCED
    assert shop.batch_of(alone.job_ids[0]).open_jobs == 0


def test_a_bypass_has_the_seed_of_the_image_that_would_be_shared(shop):
    (shared,) = shop.want("red mug").job_ids
    (alone,) = shop.want("red mug", cache=CacheMode.BYPASS).job_ids
    assert shop.job(alone).seed == shop.job(shared).seed


def test_a_new_bundle_revision_never_serves_old_images(store, database):
    store.make("red mug")
    newer = Shop(database, bundle_revision="r2")
    assert outcomes(newer, newer.want("red mug")) == [CacheOutcome.MISS]
    assert outcomes(store.shop, store.shop.want("red mug")) == [CacheOutcome.EXACT]


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ({"tenant": "shop"}, {"other red", "other blue"}),
        ({"prompt": "  RED  mug"}, {"shop blue", "other blue"}),
        ({"tenant": "other", "prompt": "red mug"}, {"shop red", "shop blue", "other blue"}),
        ({"bundle_revision": "r1"}, set()),
        ({"bundle_revision": "r9"}, {"shop red", "shop blue", "other red", "other blue"}),
        ({}, set()),
    ],
)
def test_a_purge_is_by_tenant_prompt_and_revision(store, shop, what, left):
    for tenant in ("shop", "other"):
        for colour in ("red", "blue"):
            store.make(f"{colour} mug", tenant=tenant)
    with shop.database.session() as session:
        purged = purging.purge(session, **what)
    assert purged.total() == 4 - len(left)
    found = {
        f"{tenant} {colour}"
        for tenant in ("shop", "other")
        for colour in ("red", "blue")
        if outcomes(shop, shop.want(f"{colour} mug", tenant=tenant)) == [CacheOutcome.EXACT]
    }
    assert found == left


def test_purged_images_stay_with_recent_results_unless_those_are_meant_too(store, shop, janitor):
    first = store.make("red mug")
    with shop.database.session() as session:
        purging.purge(session, tenant="shop")
    janitor().clean()
    assert store.has(first)
    with shop.database.session() as session:
        purging.purge(session, tenant="shop", named=True)
    janitor().clean()
    assert store.rows() == set()
    assert not store.has(first)


def test_a_purge_counts_for_what_is_in_flight(store, shop):
    (job,) = shop.want("red mug").job_ids
    with shop.database.session() as session:
        purging.purge(session, prompt="red mug")
    store.finish(job)
    assert shop.job(job).state is JobState.SUCCEEDED
    assert outcomes(shop, shop.want("red mug")) == [CacheOutcome.MISS]


# Waiters


def test_a_waiter_in_a_higher_lane_raises_the_work(shop):
    (slow,) = shop.want("red mug", lane=Lane.BULK).job_ids
    urgent = shop.want("red mug", lane=Lane.INTERACTIVE)
    generation = shop.generation_of(slow)
    assert urgent.published == [(generation, Lane.INTERACTIVE)]
    assert shop.generation(generation).lane is Lane.INTERACTIVE
    assert shop.claim(generation).lane is Lane.INTERACTIVE


def test_a_waiter_in_a_lower_lane_moves_nothing(shop):
    (first,) = shop.want("red mug", lane=Lane.INTERACTIVE).job_ids
    assert shop.want("red mug", lane=Lane.BULK).published == []
    assert shop.generation(shop.generation_of(first)).lane is Lane.INTERACTIVE


def test_a_raise_whose_message_is_lost_is_sent_by_the_sweeper(shop):
    (slow,) = shop.want("red mug", lane=Lane.BULK).job_ids
    generation = shop.generation_of(slow)
    with shop.database.session() as session:
        feeding.mark_published(session, [Message(generation, Lane.BULK)])
    shop.want("red mug", lane=Lane.STANDARD)
    with shop.database.session() as session:
        taken = feeding.take_waiting(session, window=10, republish_seconds=0)
    assert taken == [(generation, Lane.STANDARD, True)]


def test_what_runs_already_is_raised_without_a_message(shop):
    (slow,) = shop.want("red mug", lane=Lane.BULK).job_ids
    shop.start(slow)
    urgent = shop.want("red mug", lane=Lane.INTERACTIVE)
    assert urgent.published == []
    generation = shop.generation(shop.generation_of(slow))
    assert (generation.lane, generation.state) == (Lane.INTERACTIVE, GenerationState.RUNNING)


def test_work_has_the_lane_of_those_who_still_wait(shop):
    (slow,) = shop.want("red mug", lane=Lane.BULK).job_ids
    (urgent,) = shop.want("red mug", lane=Lane.INTERACTIVE).job_ids
    with shop.database.session() as session:
        cancellation.cancel_job(session, urgent)
    assert shop.start(slow).lane is Lane.BULK


def test_a_deadline_is_that_of_the_most_patient_waiter(shop, at):
    soon, late = at(minutes=1), at(hours=1)
    (first,) = shop.want(wanted(deadline_at=soon)).job_ids
    shop.want(wanted(deadline_at=late))
    assert shop.start(first).deadline_at == late


def test_a_late_waiter_fails_and_the_others_get_the_image(store, shop, at):
    (late,) = shop.want(wanted(deadline_at=at(seconds=-1))).job_ids
    (patient,) = shop.want("red mug").job_ids
    with shop.database.session() as session:
        assert rescue.expire_deadlines(session) == []
    store.finish(patient)
    assert shop.job(late).state is JobState.FAILED
    assert shop.job(patient).state is JobState.SUCCEEDED


def test_an_expired_image_is_replaced_by_the_next(store, shop):
    store.make("red mug")
    store.age(hours=2)
    new = store.make("red mug", ttl_seconds=HOUR)
    (job,) = shop.want("red mug").job_ids
    assert shop.job(job).image_id == new.id
