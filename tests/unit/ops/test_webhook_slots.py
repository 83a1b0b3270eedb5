"""To whom more may be sent at the same time."""

from uuid import uuid4

from ops.webhooks import slots as delivery_slots
from ops.webhooks.slots import DeliverySlots


def test_a_queue_has_one_slot_until_it_answers_and_one_again_when_it_does_not():
    slots, queue = DeliverySlots(each=8), uuid4()
    slots.begin(queue)
    assert slots.free(now=0) == {queue: 0}
    slots.end(queue, answered=True)
    assert slots.free(now=0) == {queue: 8}
    for _ in range(3):
        slots.begin(queue)
    assert slots.free(now=0) == {queue: 5}
    slots.end(queue, answered=False)
    assert slots.free(now=0) == {queue: -1}
    for _ in range(2):
        slots.end(queue, answered=False)
    assert slots.free(now=0) == {}, "as if it had never been heard of"


def test_a_queue_that_is_left_alone_has_no_slot():
    slots, queue = DeliverySlots(each=8), uuid4()
    slots.begin(queue)
    slots.end(queue, answered=True)
    slots.pause(queue, until=10.0)
    assert slots.free(now=9.0) == {queue: 0}
    assert slots.free(now=11.0) == {queue: 8}


def test_only_so_many_queues_are_remembered(monkeypatch):
    monkeypatch.setattr(delivery_slots, "REMEMBERED", 2)
    slots, queues = DeliverySlots(each=8), [uuid4() for _ in range(3)]
    for queue in queues:
        slots.begin(queue)
        slots.end(queue, answered=True)
    assert slots.free(now=0) == {queues[2]: 8}
