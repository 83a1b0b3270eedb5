"""The order in which lanes are asked."""

from collections import Counter

from core.broker import Broker
from core.domain.lanes import Lane
from core.queue import (
    LANES,
    ORDINARY_SHARE,
    QUEUES,
    LaneCycle,
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


def test_a_request_never_waits_for_the_broker():
    options = make_celery(Settings(_env_file=None)).conf.broker_transport_options
    assert options["max_retries"] == 0


def test_a_brokers_address_has_no_password():
    settings = Settings(_env_file=None, broker_url="rediss://:secret@broker/0")
    assert Broker(settings).address == "broker:6379"
