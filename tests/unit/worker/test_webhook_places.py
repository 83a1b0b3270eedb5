"""To whom more may be sent at the same time."""

from uuid import UUID, uuid4

from tests.unit.worker.test_webhook_message import message
from worker.webhooks.places import Places


def begun(places: Places, queue: UUID, tenant: str = "shop") -> None:
    places.begin(message(queue=queue, tenant=tenant))


def ended(places: Places, queue: UUID, *, answered: bool, tenant: str = "shop") -> None:
    places.end(message(queue=queue, tenant=tenant), answered=answered)


def test_a_queue_has_one_place_until_it_answers_and_one_again_when_it_does_not():
    places, queue = Places(at_once=64, each=8), uuid4()
    begun(places, queue)
    assert places.free(now=0) == {queue: 0}
    ended(places, queue, answered=True)
    assert places.free(now=0) == {queue: 8}
    for _ in range(3):
        begun(places, queue)
    assert places.free(now=0) == {queue: 5}
    ended(places, queue, answered=False)
    assert places.free(now=0) == {queue: -1}
    for _ in range(2):
        ended(places, queue, answered=False)
    assert places.free(now=0) == {}, "as if it had never been heard of"


def test_a_queue_that_is_left_alone_has_no_place():
    places, queue = Places(at_once=64, each=8), uuid4()
    begun(places, queue)
    ended(places, queue, answered=True)
    places.pause(queue, until=10.0)
    assert places.free(now=9.0) == {queue: 0}
    assert places.free(now=11.0) == {queue: 8}


def test_a_tenant_that_has_a_quarter_of_the_places_gets_no_more():
    places, number = Places(at_once=64, each=8), 0
    while not places.full:
        for _ in range(places.most):
            begun(places, uuid4(), "many")
            number += 1
    begun(places, uuid4(), "other")
    assert places.full == ["many"]
    assert number == 64 / 4
    ended(places, uuid4(), answered=True, tenant="many")
    assert places.full == []
