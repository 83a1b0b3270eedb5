"""Tenants take turns in a call's places, and in a tenant's turns its keys."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.lanes import Lane
from worker.scheduler import RowScheduler
from worker.turns import Candidate

TENANTS = ("large", "small", "third")


class Door:
    """Calls with one place, and rows that need one call each."""

    def __init__(self) -> None:
        self.scheduler = RowScheduler(row_limit=1)
        self.rows: dict[UUID, Candidate] = {}
        self.count = 0

    def arrive(
        self, tenant: str, lane: Lane = Lane.STANDARD, moment: float = 0.0, key: int = 1
    ) -> UUID:
        self.count += 1
        row = Candidate(
            identity=UUID(int=self.count),
            shape="a",
            lane=lane,
            arrived=moment,
            tenant=tenant,
            key=key,
        )
        self.rows[row.identity] = row
        self.scheduler.add(row)
        return row.identity

    def next(self) -> Candidate | None:
        """Return whose call it is; the row is done then."""
        for identity in self.scheduler.step():
            self.scheduler.remove(identity)
            return self.rows[identity]
        return None


def test_a_single_row_is_next_however_many_another_tenant_has_waiting():
    door = Door()
    for number in range(100):
        door.arrive("large", moment=float(number))
    for _ in range(10):
        door.next()
    single = door.arrive("small", moment=1000.0)
    assert door.next().identity == single
    assert door.next().tenant == "large"


def test_tenants_with_many_rows_alternate_each_in_the_order_of_its_arrivals():
    door = Door()
    for number in range(6):
        door.arrive("large", moment=float(number))
    for number in range(3):
        door.arrive("small", moment=100.0 + number)
    order = [door.next() for _ in range(9)]
    assert [row.tenant for row in order[:6]] == ["large", "small"] * 3
    for tenant in ("large", "small"):
        moments = [row.arrived for row in order if row.tenant == tenant]
        assert moments == sorted(moments)


def test_who_was_away_does_not_make_up_for_it():
    door = Door()
    for number in range(40):
        door.arrive("large", moment=float(number))
    for _ in range(20):
        door.next()
    for number in range(10):
        door.arrive("small", moment=100.0 + number)
    assert Counter(door.next().tenant for _ in range(10)) == {"large": 5, "small": 5}


def test_a_lane_s_turns_come_by_its_weight_whatever_its_tenants():
    door = Door()
    for number in range(200):
        door.arrive(f"tenant {number}", Lane.INTERACTIVE, moment=float(number))
    door.arrive("large", Lane.BULK)
    door.arrive("small", Lane.BULK)
    lanes = [door.next().lane for _ in range(60)]
    assert [number for number, lane in enumerate(lanes) if lane is Lane.BULK] == [1, 18]


def test_a_single_row_is_next_but_one_however_many_another_key_of_its_tenant_has_waiting():
    """The third tenant waits too: the turn that comes is a tenant's first."""
    door = Door()
    for number in range(100):
        door.arrive("shop", moment=float(number), key=1)
        door.arrive("third", moment=float(number))
    for _ in range(10):
        door.next()
    single = door.arrive("shop", moment=1000.0, key=2)
    assert single in {door.next().identity for _ in range(2)}


@pytest.mark.parametrize("lane", Lane)
def test_keys_of_one_tenant_alternate_each_in_the_order_of_its_arrivals(lane):
    door = Door()
    for number in range(6):
        door.arrive("shop", lane, moment=float(number), key=1)
    for number in range(3):
        door.arrive("shop", lane, moment=100.0 + number, key=2)
    order = [door.next() for _ in range(9)]
    assert [row.key for row in order] == [1, 2] * 3 + [1] * 3
    for key in (1, 2):
        moments = [row.arrived for row in order if row.key == key]
        assert moments == sorted(moments)


def test_a_hundred_keys_of_one_tenant_get_as_much_as_the_one_key_of_another():
    door = Door()
    for number in range(300):
        door.arrive("many", moment=0.0, key=number % 100)
    for _ in range(100):
        door.arrive("one", moment=1.0)
    assert Counter(door.next().tenant for _ in range(200)) == {"many": 100, "one": 100}


def test_the_turns_among_keys_are_forgotten_with_the_tenants_last_waiting_row():
    door = Door()
    for number in range(50):
        door.arrive(f"tenant {number}", key=number)
    while door.next():
        door.arrive("always", moment=door.count)
        if door.count > 200:
            break
    (group,) = door.scheduler._groups.values()
    assert {tenant for _, tenant in group.turns.keys} <= {"always"}


def assert_nobody_gets_far_ahead(events, everybody, arrive, name):
    """Let rows come and the place become free (None); check start-time fair queueing's bound.

    While one waits, no other of equal weight gets ahead of it by more than two.
    """
    waiting: Counter[str | int] = Counter()
    ahead = {(one, other): 0 for one in everybody for other in everybody}
    door = Door()
    for who in [*events, *[None] * 2 * len(events)]:
        if who is not None:
            if not waiting[who]:
                ahead |= {(who, other): 0 for other in everybody}
            waiting[who] += 1
            arrive(door, who)
            continue
        row = door.next()
        if row is None:
            assert not waiting.total()
            continue
        if name(row) is None:
            continue
        waiting[name(row)] -= 1
        for one in everybody:
            ahead[one, name(row)] += 1
            ahead[name(row), one] -= 1
            if waiting[one]:
                assert ahead[one, name(row)] <= 2
            else:
                ahead |= {(one, other): 0 for other in everybody}
    assert not waiting.total(), "everybody got in"


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.sampled_from(TENANTS)), max_size=120))
def test_while_a_tenant_waits_no_other_gets_ahead_of_it_by_more_than_two(events):
    assert_nobody_gets_far_ahead(
        events,
        TENANTS,
        lambda door, tenant: door.arrive(tenant, moment=float(door.count)),
        lambda row: row.tenant,
    )


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.sampled_from((1, 2, 3))), max_size=120))
def test_while_a_key_waits_no_other_of_its_tenant_gets_ahead_of_it_by_more_than_two(events):
    """However many rows of another tenant come between."""

    def arrive(door, key):
        door.arrive("shop", moment=float(door.count), key=key)
        door.arrive("another", moment=float(door.count), key=key)

    assert_nobody_gets_far_ahead(
        events, (1, 2, 3), arrive, lambda row: row.key if row.tenant == "shop" else None
    )
