"""Stored images: when they go, when they must not, and what a crash leaves to be done."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from sqlalchemy import update
from sqlmodel import col

from core.cache_metrics import Level, Outcome
from core.db.models import Image
from core.domain.states import CacheOutcome
from core.eviction import BoundedMap, Policy
from core.lifecycle import cancellation, deduplication, retention
from core.lifecycle.deduplication import find_stored
from tests.cache_counts import CacheCounts
from tests.integration.caches.conftest import HOUR


@pytest.fixture(autouse=True)
def counts():
    return CacheCounts()


def outcome(shop, product="red mug", **values):
    (job,) = shop.want(product, **values).job_ids
    return shop.job(job).cache


def test_an_image_leaves_s3_and_postgres_when_its_time_is_over(store, janitor, shop, counts):
    old = store.make("red mug")
    store.age(hours=2)
    young = store.make("blue mug")
    janitor(ttl_seconds=1.5 * HOUR).clean()
    assert store.rows() == {young.id}
    assert not store.has(old)
    assert store.has(young)
    (job,) = shop.jobs(generation_id=old.generation_id)
    assert job.image_id is None
    assert counts.take()[Level.RESULT, Outcome.EXPIRY].number == 1


def test_an_image_whose_time_is_over_answers_nobody_even_before_the_janitor_comes(store, shop):
    store.make("red mug")
    store.age(hours=2)
    assert outcome(shop, ttl_seconds=3 * HOUR) is CacheOutcome.EXACT
    assert outcome(shop, ttl_seconds=HOUR) is CacheOutcome.MISS


def test_time_is_postgres_clock_and_not_ours(store, janitor, shop, monkeypatch):
    store.make("red mug")
    # The year 2096: the API's server, which tests of a process share, writes dates meanwhile.
    for name in ("time.time", "time.monotonic"):
        monkeypatch.setattr(name, lambda: 4e9)
    assert outcome(shop, ttl_seconds=HOUR) is CacheOutcome.EXACT
    janitor(ttl_seconds=HOUR, retention_seconds=0).clean()
    assert len(store.rows()) == 1


def test_what_a_recent_result_names_stays(store, janitor):
    image = store.make("red mug")
    limits = {"ttl_seconds": 0.5 * HOUR, "max_bytes": 1, "max_images": 1}
    store.make("blue mug")
    store.age(hours=0.75)
    janitor(**limits).clean()
    assert store.has(image)
    assert len(store.rows()) == 2
    store.age(hours=0.75)
    janitor(**limits).clean()
    assert store.rows() == set()


def test_what_a_live_batch_names_stays_however_old_it_is(store, janitor, shop):
    first, second = shop.want("red mug", "blue mug", batch=True).job_ids
    image = store.finish(first)
    store.age(hours=100)
    janitor(ttl_seconds=HOUR, max_bytes=1).clean()
    assert store.rows() == {image.id}
    store.finish(second)
    store.age(hours=100)
    janitor(ttl_seconds=HOUR).clean()
    assert store.rows() == set()


def test_an_image_that_is_about_to_answer_is_left_alone(store, janitor, shop):
    image = store.make("red mug")
    store.age(hours=2)
    with shop.database.session() as session:
        found = find_stored(session, "shop", [image.fingerprint], ttl_seconds=0)
        assert found
        janitor(ttl_seconds=HOUR).clean()
    assert store.has(image)
    janitor(ttl_seconds=HOUR).clean()
    assert not store.has(image)


def test_a_job_that_came_while_the_janitor_chose_keeps_its_image(store, shop, monkeypatch, janitor):
    image = store.make("red mug")
    store.age(hours=2)
    lock = retention.lock_images

    def late(session, *where, **values):
        assert outcome(shop) is CacheOutcome.EXACT
        return lock(session, *where, **values)

    monkeypatch.setattr(retention, "lock_images", late)
    cleaner = janitor(ttl_seconds=HOUR)
    with shop.database.session() as session:
        assert not retention.expire(session, cleaner._limits)
    assert store.has(image)


@pytest.mark.parametrize("budget", [{"max_images": 2}, {"max_bytes": 299}])
def test_a_budget_pushes_out_what_the_policy_says(store, janitor, budget, counts):
    images = {}
    for product in ("a", "b", "c"):
        images[product] = store.make(product, size=100)
        store.age(hours=1)
    with store.shop.database.session() as session:
        deduplication.note_uses(session, {images["a"].id: 1})
    janitor(policy=Policy.LRU, retention_seconds=0, **budget).clean()
    assert store.rows() == {images["a"].id, images["c"].id}
    assert counts.take()[Level.RESULT, Outcome.EVICTION].number == 1


@pytest.mark.parametrize("policy", [Policy.LRU, Policy.LFU, Policy.FIFO])
def test_the_janitor_goes_by_the_order_of_the_map_in_memory(store, janitor, policy):
    memory = BoundedMap(policy=policy, max_bytes=10**6, max_entries=6)
    images = {}
    for product in "abcdef":
        images[product] = store.make(product)
        memory.put(product, product, size=1)
        store.age(hours=0.01)
    for product in "ffaabdcdabe":
        with store.shop.database.session() as session:
            deduplication.note_uses(session, {images[product].id: 1})
        memory.get(product)
        store.age(hours=0.01)
    janitor(policy=policy, retention_seconds=0, max_images=3).clean()
    left = {name for name, image in images.items() if image.id in store.rows()}
    memory.max_entries = 4
    memory.put("new", "new", size=1)  # makes room for itself: three of the six stay
    assert left == {name for name in images if memory.get(name)}


def test_the_newest_go_first_with_lifo_and_any_with_random(store, janitor):
    images = []
    for product in "abcd":
        images.append(store.make(product))
        store.age(hours=1)
    janitor(policy=Policy.LIFO, retention_seconds=0, max_images=3).clean()
    assert store.rows() == {image.id for image in images[:3]}
    janitor(policy=Policy.RANDOM, retention_seconds=0, max_images=1).clean()
    assert len(store.rows()) == 1


def test_without_limits_everything_stays(store, janitor):
    store.make("red mug")
    store.age(hours=100_000)
    janitor(retention_seconds=0).clean()
    assert len(store.rows()) == 1


def test_a_crash_after_the_mark_is_made_good(store, janitor):
    image = store.make("red mug")
    with store.shop.database.session() as session:
        retention.lose(session, image.id)
    janitor().clean()
    assert store.rows() == set()
    assert not store.has(image)


def test_a_crash_between_object_and_row_is_made_good(store, janitor, monkeypatch):
    image = store.make("red mug")
    store.age(hours=2)

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(retention, "forget", crash)
        with pytest.raises(KeyboardInterrupt):
            janitor(ttl_seconds=HOUR).clean()
    assert not store.has(image)
    assert store.rows() == {image.id}
    janitor().clean()
    assert store.rows() == set()


def test_while_s3_is_away_marked_images_wait_and_answer_nobody(store, janitor, monkeypatch, shop):
    image = store.make("red mug")
    store.age(hours=2)

    def away(_):
        raise EndpointConnectionError(endpoint_url="http://s3")

    with monkeypatch.context() as broken:
        broken.setattr(store.storage, "delete", away)
        with pytest.raises(EndpointConnectionError):
            janitor(ttl_seconds=HOUR).clean()
    assert store.rows() == {image.id}
    assert outcome(shop) is CacheOutcome.MISS
    janitor().clean()
    assert not store.has(image)
    assert store.rows() == set()


def test_an_object_that_s3_refuses_to_delete_keeps_its_row(store, janitor, monkeypatch):
    image = store.make("red mug")
    store.age(hours=2)
    refusal = {"Errors": [{"Key": image.key, "Code": "AccessDenied", "Message": "no"}]}
    with monkeypatch.context() as broken:
        broken.setattr(store.storage.client, "delete_objects", lambda **_: refusal)
        with pytest.raises(ClientError):
            janitor(ttl_seconds=HOUR).clean()
    assert store.rows() == {image.id}


def test_the_object_of_a_cancelled_job_is_collected_and_never_answers(store, janitor, shop):
    (job,) = shop.want("red mug").job_ids
    claim = shop.start(job)
    stored = store.storage.put_image(
        b"made in vain",
        tenant="shop",
        fingerprint=claim.fingerprint,
        extension="png",
        content_type="image/png",
        generation_id=claim.generation_id,
    )
    cleaner = janitor()
    for _ in range(2):
        cleaner.clean()
    listed = dict(store.storage.listed("images/"))
    assert stored.key in listed  # its work is in flight: its row may still come
    with shop.database.session() as session:
        cancellation.cancel_job(session, job)
    assert not shop.succeed(claim)
    for _ in range(2):
        cleaner.clean()
    assert stored.key not in dict(store.storage.listed("images/"))
    assert outcome(shop) is CacheOutcome.MISS


def test_objects_of_another_deployment_and_of_older_versions_stay(store, janitor):
    foreign = store.storage.put_image(
        b"foreign",
        tenant="shop",
        fingerprint="f" * 64,
        extension="png",
        content_type="image/png",
        generation_id=store.make("x").id,  # no generation of ours has this id
    )
    older = store.storage.put_image(
        b"older", tenant="shop", fingerprint="e" * 64, extension="png", content_type="image/png"
    )
    cleaner = janitor()
    for _ in range(2):
        cleaner.clean()
    listed = dict(store.storage.listed("images/"))
    assert {foreign.key, older.key} <= listed.keys()


def test_an_object_that_two_images_share_goes_with_the_second(store, janitor):
    first, second = store.make("a"), store.make("b")
    with store.shop.database.session() as session:
        session.execute(update(Image).where(col(Image.id) == first.id).values(key=second.key))
        retention.lose(session, first.id)
    janitor().clean()
    assert store.rows() == {second.id}
    assert store.has(second)


def test_uses_are_noted_in_one_go(store, now):
    image = store.make("red mug")
    store.age(hours=5)
    with store.shop.database.session() as session:
        deduplication.note_uses(session, {image.id: 3})
        deduplication.note_uses(session, {})
    (row,) = store.shop.images()
    assert row.uses == 3
    assert (now() - row.last_used_at).total_seconds() < 1000
