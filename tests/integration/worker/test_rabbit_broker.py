"""What is asked of RabbitMQ beside Celery; no worker and no sweeper runs here."""

import uuid

import pytest

from core.broker import RabbitBroker, open_broker
from core.domain.lanes import Lane, Message
from core.errors import ServiceDownError
from core.queue import Publisher, make_celery
from core.settings import Settings
from tests.integration.rabbitmq import SERVER, RabbitMQ
from tests.integration.shop import poll

pytestmark = pytest.mark.skipif(
    not SERVER.exists(),
    reason="RabbitMQ is not installed (Debian: apt-get install rabbitmq-server)",
)


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory):
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as rabbitmq:
        yield rabbitmq


@pytest.fixture
def broker(rabbitmq):
    broker = open_broker(Settings(_env_file=None, broker_url=rabbitmq.url))
    assert isinstance(broker, RabbitBroker)
    yield broker
    broker.close()


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
