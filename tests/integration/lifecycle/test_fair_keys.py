"""The keys of one tenant take turns, and are one tenant still."""

from collections import Counter
from uuid import UUID

import pytest

from core.db.models import NO_KEY, Batch
from core.db.models.columns import new_id
from core.domain.lanes import FIRST, Lane
from core.errors import GenerationFailedError
from core.lifecycle import completion, feeding, holds, rescue, retry
from core.queue import LaneCycle, Publisher, make_celery

WINDOW = 16
BATCH = 8
"""Images that a worker computes at once."""


@pytest.fixture
def order(shop):
    """Order images as the API does; give those of them that the request sends itself."""

    def order(key: UUID, rows: int = 1, *, tenant: str = "shop", lane: Lane = Lane.STANDARD):
        products = [f"{new_id()}" for _ in range(rows)]
        new = shop.want(
            *products,
            batch=rows > 1,
            tenant=tenant,
            lane=lane,
            api_key_id=key,
            publishes=WINDOW,
        ).published
        with shop.database.session() as session:
            messages, waiting = feeding.split(session, tenant, new, window=WINDOW, api_key_id=key)
            feeding.release(session, waiting)
            feeding.mark_published(session, messages)
        return messages

    return order


@pytest.fixture
def feed(shop):
    def feed(window: int = WINDOW):
        with shop.database.session() as session:
            return feeding.take_waiting(session, window=window, republish_seconds=0)

    return feed


@pytest.fixture
def key_of(shop):
    def key_of(message) -> UUID:
        return shop.generation(message.generation_id).api_key_id

    return key_of


class Worker:
    """Fetches messages from the queues in a worker's order, and claims their images."""

    def __init__(self, shop, celery) -> None:
        self.shop = shop
        self.channel = celery.connection_for_read().channel()
        self.cycle = LaneCycle(share=8)
        self.cycle.update(celery.amqp.queues)

    def fetch(self) -> UUID:
        names = self.cycle.consume(len(self.cycle.queues))
        found = next(filter(None, map(self.channel.basic_get, names)))
        self.channel.basic_ack(found.delivery_tag)
        identity = UUID(found.headers["id"])
        assert self.shop.claim(identity)
        return identity


@pytest.fixture
def publisher(settings):
    publisher = Publisher(make_celery(settings))
    yield publisher
    publisher.celery.close()


@pytest.fixture
def worker(shop, publisher):
    worker = Worker(shop, publisher.celery)
    yield worker
    worker.channel.connection.client.close()


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("by_request", [True, False])
def test_a_single_image_is_claimed_within_a_batch_of_another_keys_sheet(
    shop, order, feed, publisher, worker, lane, by_request
):
    large, small = new_id(), new_id()
    publisher.publish(order(large, 20 * WINDOW, lane=lane))
    for _ in range(BATCH):
        worker.fetch()
    publisher.publish(feed())
    assert feed() == [], "the tenant's window is full"

    if by_request:
        (single,) = order(small, lane=lane)
        publisher.publish([single])
    else:
        (new,) = shop.want("a mug", lane=lane, api_key_id=small).published
        (single,) = feed()
        assert single.generation_id == new[0]
        publisher.publish([single])
    assert single.first
    assert single.generation_id in {worker.fetch() for _ in range(BATCH)}


def test_the_keys_of_a_tenant_share_its_window(order, feed, shop, key_of):
    large, small = new_id(), new_id()
    sent = [*order(large, 4 * WINDOW)]
    assert len(sent) == WINDOW
    assert order(small, 2 * WINDOW) == [], "no place is free"
    assert feed() == []
    for message in sent[: WINDOW // 2]:
        shop.claim(message.generation_id)
    assert {key_of(message) for message in feed()} == {small}, "until both have as many"
    for message in sent[WINDOW // 2 :]:
        shop.claim(message.generation_id)
    assert len(feed()) == WINDOW // 2


def test_what_a_key_does_not_need_of_the_window_is_the_others(order, feed, key_of):
    large, small = new_id(), new_id()
    order(large, 4 * WINDOW)
    order(small, FIRST + 1)
    keys = Counter(map(key_of, feed(2 * WINDOW)))
    assert keys == {small: 1, large: WINDOW - FIRST - 1}, "of what the first queue leaves"


def test_equal_keys_of_a_tenant_alternate(shop, feed, key_of):
    keys = {name: new_id() for name in ("a", "b")}
    for name, key in keys.items():
        shop.want(*(f"{name} {number}" for number in range(WINDOW)), api_key_id=key)
    turns = [key_of(message) for message in feed()]
    assert len(turns) == WINDOW
    for number in range(0, WINDOW, 2):
        assert set(turns[number : number + 2]) == set(keys.values())


def test_a_tenant_with_a_hundred_keys_has_the_window_of_one(shop, feed):
    for number in range(100):
        key = new_id()
        shop.want(*(f"{number} {row}" for row in range(FIRST + 1)), tenant="many", api_key_id=key)
    shop.want(*(f"mug {row}" for row in range(2 * WINDOW)), tenant="one", api_key_id=new_id())
    messages = feed()
    turns = [shop.generation(message.generation_id).tenant for message in messages]
    assert Counter(turns) == {"many": WINDOW, "one": WINDOW}
    assert turns == ["many", "one"] * WINDOW, "and takes turns with it"
    assert not any(message.first for message in messages)


def test_a_hundred_keys_have_no_more_places_in_the_first_queue_than_one(order, feed):
    first = [message for _ in range(100) for message in order(new_id()) if message.first]
    assert len(first) == FIRST
    assert not any(message.first for message in feed(1000)), "nor later"
    (single,) = order(new_id(), tenant="one")
    assert single.first


def test_keys_that_have_more_by_now_leave_no_place_in_the_first_queue_to_the_next(order):
    """Else each of a hundred keys would send what it may and then grow."""
    first = 0
    for _ in range(10):
        key = new_id()
        sent = [message for _ in range(FIRST + 1) for message in order(key)]
        first += sum(message.first for message in sent)
    assert first == FIRST


def test_running_images_of_all_small_keys_count(order, shop):
    for _ in range(FIRST):
        (message,) = order(new_id())
        shop.claim(message.generation_id)
    assert not any(message.first for message in order(new_id()))


def test_with_more_keys_than_places_every_key_comes_to_its_turn(shop, feed, key_of):
    keys = {new_id() for _ in range(10)}
    for key in keys:
        shop.want(*(f"{key} {row}" for row in range(60)), api_key_id=key)
    served = set()
    while served != keys:
        messages = feed(5)
        assert messages, "there was more of the others"
        for message in messages:
            served.add(key_of(message))
            shop.claim(message.generation_id)


def test_what_two_keys_wait_for_is_the_first_ones(shop):
    first, second = new_id(), new_id()
    (job_id,) = shop.want("mug", api_key_id=first).job_ids
    (joined,) = shop.want("mug", "cup", batch=True, api_key_id=second).job_ids[:1]
    assert shop.generation_of(job_id) == shop.generation_of(joined)
    assert shop.generation(shop.generation_of(job_id)).api_key_id == first


def test_who_has_no_key_takes_a_turn_too(shop, feed, key_of):
    shop.want(*(f"mug {row}" for row in range(WINDOW)))
    shop.want(*(f"cup {row}" for row in range(WINDOW)), api_key_id=new_id())
    assert Counter(map(key_of, feed()))[NO_KEY] == WINDOW // 2


class TestAKeyStays:
    """Whatever becomes of a generation."""

    @pytest.fixture
    def key(self):
        return new_id()

    @pytest.fixture
    def claim(self, shop, key):
        return shop.start(shop.want("mug", batch=True, api_key_id=key).job_ids[0])

    def check(self, shop, feed, claim, key):
        (message,) = feed()
        assert message.generation_id == claim.generation_id
        again = shop.claim(claim.generation_id)
        assert again.api_key_id == claim.api_key_id == key

    def test_when_it_is_tried_again(self, shop, feed, claim, key):
        with shop.database.session() as session:
            assert holds.retry_later(session, claim, delay_seconds=0)
        self.check(shop, feed, claim, key)

    def test_when_it_is_handed_back(self, shop, feed, claim, key):
        with shop.database.session() as session:
            assert holds.hand_back(session, claim, published=False)
        self.check(shop, feed, claim, key)

    def test_when_its_worker_is_lost(self, shop, feed, lose, claim, key):
        lose(claim)
        self.check(shop, feed, claim, key)

    def test_when_redis_is_lost(self, shop, feed, claim, key):
        with shop.database.session() as session:
            holds.hand_back(session, claim, published=True)
            assert rescue.forget_published(session) == 1
        self.check(shop, feed, claim, key)

    def test_when_its_message_is_lost(self, shop, claim, key):
        with shop.database.session() as session:
            holds.hand_back(session, claim, published=True)
        with shop.database.session() as session:
            empty = [(Lane.STANDARD, False)]
            assert rescue.take_lost(session, empty_queues=empty, republish_seconds=-1)
        assert shop.claim(claim.generation_id).api_key_id == key

    def test_when_its_batch_tries_it_again(self, shop, feed, claim, key, failing):
        batch = failing(claim)
        with shop.database.session() as session:
            failed = retry.failed_jobs(session, batch.id)
            retry.retry_jobs(session, session.get_one(Batch, batch.id), failed, revisions=["r1"])
        (message,) = feed()
        assert message.generation_id != claim.generation_id
        assert shop.generation(message.generation_id).api_key_id == key


@pytest.fixture
def failing(shop):
    """Fail an image; give its batch."""

    def failing(claim) -> Batch:
        with shop.database.session() as session:
            completion.fail(session, claim, GenerationFailedError())
        return shop.batch_of(claim.job_id)

    return failing
