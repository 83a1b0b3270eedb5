"""The order in which lanes are asked."""

from collections import Counter

import pytest

from core.broker import RabbitBroker, RedisBroker, open_broker
from core.domain.lanes import Lane
from core.queue import (
    LANES,
    ORDINARY_SHARE,
    QUEUES,
    LaneCycle,
    is_rabbitmq,
    make_celery,
    queue_of,
)
from core.settings import Settings


def cycle(*, share: int) -> LaneCycle:
    lanes = LaneCycle(share=share)
    lanes.update({"bulk", "interactive", "standard"})
    return lanes


def test_lanes_are_asked_in_their_order():
    assert cycle(share=8).consume(3) == list(LANES) == ["interactive", "standard", "bulk"]


def test_bulk_comes_first_every_so_often():
    lanes = cycle(share=4)
    first = Counter(lanes.consume(3)[0] for _ in range(40))
    assert first == {"interactive": 30, "bulk": 10}


def test_an_unknown_queue_comes_last():
    lanes = LaneCycle(share=8)
    lanes.update({"other", "bulk"})
    assert lanes.consume(2) == ["bulk", "other"]


def test_a_lane_s_first_queue_is_asked_before_its_other_one_most_of_the_time():
    queues = LaneCycle(share=1000)
    queues.update(QUEUES)
    orders = [queues.consume(len(QUEUES)) for _ in range(4 * ORDINARY_SHARE)]
    assert orders[0] == list(QUEUES)
    assert orders[0][:2] == ["interactive.first", "interactive"]
    assert sum(order[0] == "interactive" for order in orders) == 4
    for order in orders:
        lanes = [queue.removesuffix(".first") for queue in order]
        assert lanes == [lane for lane in LANES for _ in range(2)]


def test_queues_have_names_of_their_own():
    assert len({queue_of(lane, first=first) for lane in Lane for first in (True, False)}) == 6


@pytest.mark.parametrize(
    ("url", "rabbitmq"),
    [
        ("redis://127.0.0.1:6379/0", False),
        ("rediss://:secret@broker:6379/0", False),
        ("amqp://guest:guest@127.0.0.1:5672//", True),
        ("amqps://guest:guest@broker/shop", True),
    ],
)
def test_each_broker_gets_what_it_knows(url: str, rabbitmq: bool):
    settings = Settings(_env_file=None, broker_url=url, connect_timeout=2.0)
    celery = make_celery(settings)
    options = celery.conf.broker_transport_options
    assert is_rabbitmq(url) is rabbitmq
    assert ("queue_order_strategy" in options) is not rabbitmq
    assert ("confirm_publish" in options) is rabbitmq
    assert options["max_retries"] == 0, "a request never waits"
    assert isinstance(open_broker(settings), RabbitBroker if rabbitmq else RedisBroker)


def test_a_brokers_address_has_no_password():
    for url, address in (
        ("amqp://shop:secret@broker//", "broker:5672"),
        ("redis://:secret@broker/0", "broker:6379"),
    ):
        assert open_broker(Settings(_env_file=None, broker_url=url)).address == address
