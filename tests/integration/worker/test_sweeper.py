"""The sweeper's passes over Postgres and Redis."""

import pytest
import redis
from structlog.testing import capture_logs

from core.domain.lanes import Lane
from core.domain.states import GenerationState
from core.lifecycle import holds, rescue, serving
from core.queue import Publisher, make_celery, queue_of
from ops.feeder import Feeder
from ops.sweeper import Sweeper


@pytest.fixture
def publisher(settings):
    celery = make_celery(settings)
    yield Publisher(celery)
    celery.close()


@pytest.fixture
def make_sweeper(database, broker, publisher):
    return lambda: Sweeper(
        database=database,
        broker=broker,
        publisher=publisher,
        feeder=Feeder(
            database=database, broker=broker, publisher=publisher, window=100, republish_seconds=0
        ),
        max_attempts=3,
        republish_seconds=0,
        sweep_seconds=3600,
    )


@pytest.fixture
def sweeper(make_sweeper, broker):
    broker.mark()
    return make_sweeper()


def take_messages(broker, lane=Lane.STANDARD) -> int:
    """Empty a lane, as a worker that dies before its claims would."""
    count = broker.depth(lane)
    broker.client.delete(*(queue_of(lane, first=first) for first in (True, False)))
    return count


def test_what_a_request_could_not_publish_is_published(shop, sweeper, broker):
    shop.want("mug", "cup")
    sweeper.sweep()
    assert broker.depth(Lane.STANDARD) == 2
    sweeper.sweep()
    assert broker.depth(Lane.STANDARD) == 2


def test_a_lost_worker_s_image_is_queued_and_published(shop, sweeper, broker):
    (job_id,) = shop.want("mug").job_ids
    sweeper.sweep()
    take_messages(broker)
    claim = shop.start(job_id, lease_seconds=0)
    sweeper.sweep()
    assert shop.generation(claim.generation_id).state is GenerationState.QUEUED
    assert broker.depth(Lane.STANDARD) == 1


def test_a_lost_message_is_sent_again_once_its_lane_is_empty(shop, sweeper, broker):
    shop.want("mug", "cup")
    sweeper.sweep()
    assert take_messages(broker) == 2
    sweeper.sweep()
    assert broker.depth(Lane.STANDARD) == 2


def test_an_emptied_redis_gets_every_message_again(shop, sweeper, broker):
    shop.want(*(f"product {number}" for number in range(5)))
    sweeper.sweep()
    broker.client.flushall()
    sweeper.sweep()
    assert broker.depth(Lane.STANDARD) == 5
    assert broker.remembers()


def test_the_loss_of_redis_is_noticed_although_the_lane_is_in_use_again(shop, sweeper, broker):
    shop.want("mug", "cup")
    sweeper.sweep()
    broker.client.flushall()
    broker.client.lpush(queue_of(Lane.STANDARD, first=True), "a newer message")
    sweeper.sweep()
    assert broker.depth(Lane.STANDARD) == 3


def test_a_loss_that_could_not_be_noted_is_noticed_by_the_next_pass(
    shop, sweeper, broker, monkeypatch
):
    shop.want("mug")
    sweeper.sweep()
    broker.client.flushall()
    broker.client.lpush(queue_of(Lane.STANDARD, first=True), "a newer message")
    with monkeypatch.context() as patch:
        patch.setattr(rescue, "forget_published", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sweeper.sweep()
    sweeper.sweep()
    assert broker.depth(Lane.STANDARD) == 2


def test_two_sweepers_publish_each_message_once(shop, make_sweeper, sweeper, broker):
    shop.want(*(f"product {number}" for number in range(4)))
    sweeper.sweep()
    make_sweeper().sweep()
    assert broker.depth(Lane.STANDARD) == 4


def test_a_delay_keeps_the_message_back(shop, sweeper, broker):
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id)
    with shop.database.session() as session:
        holds.retry_later(session, claim, delay_seconds=3600)
    sweeper.sweep()
    assert broker.depth(Lane.STANDARD) == 0


def test_a_passed_deadline_ends_the_job(shop, sweeper, wanted, at, failed):
    (job_id,) = shop.want(wanted(deadline_at=at(seconds=-1))).job_ids
    sweeper.sweep()
    assert shop.job(job_id).error_code == "deadline_exceeded"
    assert shop.generation(shop.generation_of(job_id)).state is GenerationState.CANCELED
    sweeper.sweep()
    assert failed("deadline_exceeded") == 1


def test_an_image_that_others_still_want_has_not_failed(shop, sweeper, wanted, at, failed):
    shop.want(wanted(deadline_at=at(seconds=-1)))
    shop.want(wanted())
    sweeper.sweep()
    assert failed("deadline_exceeded") == 0


def test_an_image_that_lost_its_last_worker_is_counted(shop, sweeper, failed):
    (job_id,) = shop.want("mug").job_ids
    for attempt in (1, 2, 3):
        assert failed("worker_lost") == 0
        assert shop.start(job_id, lease_seconds=0).attempt == attempt
        sweeper.sweep()
    sweeper.sweep()
    assert shop.job(job_id).error_code == "worker_lost"
    assert failed("worker_lost") == 1


def test_without_redis_it_recovers_and_says_so_once(
    shop, sweeper, broker, publisher, services, monkeypatch
):
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id, lease_seconds=0)
    services.valkey.stop()
    try:
        with capture_logs() as logs:
            sweeper.sweep()
            sweeper.sweep()
    finally:
        services.valkey.start()
    assert shop.generation(claim.generation_id).state is GenerationState.QUEUED
    assert [line["event"] for line in logs if "Redis" in line["event"]] == [
        "Redis is away: images wait"
    ]
    # The first publish may meet a connection that the restart broke; a later pass does not.
    for _ in range(3):
        sweeper.sweep()
    assert broker.depth(Lane.STANDARD) == 1
    assert isinstance(broker.client, redis.Redis)


def test_what_no_worker_has_the_model_of_waits_in_postgres(shop, sweeper, broker, database):
    shop.want("mug", "cup")
    sweeper.sweep()
    assert take_messages(broker) == 2
    for revision, messages in (("r2", 0), ("r1", 2)):
        with database.session() as session:
            serving.announce(session, f"worker of {revision}", {revision})
        for _ in range(2):
            sweeper.sweep()
        assert broker.depth(Lane.STANDARD) == messages
