"""RabbitMQ in the place of Redis: the same tests, and what differs."""

import uuid

import pytest

from core.broker import RabbitBroker, open_broker
from core.errors import ServiceDownError
from core.lanes import Lane, Message
from core.queue import Publisher, make_celery
from core.settings import Settings
from local.infrastructure import DATABASE
from tests.integration.rabbitmq import SERVER, RabbitMQ
from tests.integration.shop import poll

# The same tests, with `place` below in the place of theirs.
from tests.integration.worker.test_processes import (  # noqa: F401
    PACE,
    ROWS,
    SECONDS,
    crew,
    factory,
    test_kill_9_loses_no_image_and_finishes_none_twice,
    test_sigterm_finishes_what_runs_and_hands_the_rest_back,
)

pytestmark = pytest.mark.skipif(
    not SERVER.exists(),
    reason="RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)",
)


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory):
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as rabbitmq:
        yield rabbitmq


@pytest.fixture(scope="module")
def place(services, rabbitmq, bundle, tmp_path_factory):
    """A database and settings for all chapters."""
    services.postgres.create_database("rabbitmq", template=DATABASE)
    yield services.environment | {
        "PACKSHOT_DATABASE_URL": services.postgres.url("rabbitmq"),
        "PACKSHOT_BROKER_URL": rabbitmq.url,
        "PACKSHOT_BUNDLE": str(bundle),
        "PACKSHOT_HOME": str(tmp_path_factory.mktemp("home")),
        **PACE,
    }
    services.postgres.drop_database("rabbitmq")


@pytest.fixture
def broker(rabbitmq):
    broker = open_broker(Settings(_env_file=None, broker_url=rabbitmq.url))
    assert isinstance(broker, RabbitBroker)
    yield broker
    broker.close()


# First: the housekeeping of the others leaves its own mark.
def test_messages_are_counted_by_lane_and_the_mark_is_kept(broker, rabbitmq):
    rabbitmq.forget()
    assert broker.depth(Lane.BULK) == 0
    assert len(broker.empty()) == 2 * len(Lane)
    assert not broker.remembers()
    broker.mark()
    assert broker.remembers()

    celery = make_celery(Settings(_env_file=None, broker_url=rabbitmq.url))
    messages = [Message(uuid.uuid4(), Lane.BULK), Message(uuid.uuid4(), Lane.BULK, first=True)]
    Publisher(celery).publish(messages)
    celery.close()
    poll(lambda: broker.depth(Lane.BULK) == 2)
    assert (Lane.BULK, True) not in broker.empty()


def test_a_rabbitmq_that_lost_its_data_loses_no_image(factory, crew, rabbitmq):  # noqa: F811
    (worker,) = crew.hire(1)
    ids = factory.order(3 * ROWS, steps=60)
    poll(lambda: factory.running(ids), seconds=SECONDS)

    rabbitmq.forget()

    factory.wait_until_done(ids)
    assert {row.attempts for row in factory.rows(ids)} == {1}
    assert worker.popen.poll() is None


def test_a_stopped_rabbitmq_keeps_nobody_waiting(factory, crew, rabbitmq):  # noqa: F811
    rabbitmq.stop()
    ids = factory.order(ROWS, steps=4)
    rabbitmq.start()
    factory.wait_until_done(ids)


def test_a_rabbitmq_that_is_away_is_named_and_found_again(broker, rabbitmq):
    broker.check()
    rabbitmq.stop()
    sentence = f"RabbitMQ at 127.0.0.1:{rabbitmq.port} does not answer"
    with pytest.raises(ServiceDownError, match=sentence):
        broker.check()
    with pytest.raises(ServiceDownError, match=sentence):
        broker.depth(Lane.BULK)
    rabbitmq.start()
    broker.check()
