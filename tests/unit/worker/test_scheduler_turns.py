"""Tenants take turns in getting in."""

from collections import Counter
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from core.lanes import Lane
from worker.scheduler import HANDICAP, Candidate, RowScheduler

TENANTS = ("large", "small", "third")


class Door:
    """One place, and rows that wait for it."""

    def __init__(self) -> None:
        self.scheduler = RowScheduler(row_limit=1)
        self.rows: dict[UUID, Candidate] = {}
        self.inside: UUID | None = None
        self.count = 0

    def arrive(self, tenant: str, lane: Lane = Lane.STANDARD, moment: float = 0.0) -> UUID:
        self.count += 1
        row = Candidate(
            identity=UUID(int=self.count), shape="a", lane=lane, arrived=moment, tenant=tenant
        )
        self.rows[row.identity] = row
        self.scheduler.add(row)
        return row.identity

    def next(self) -> Candidate | None:
        """Let the row inside go, and the next one in."""
        if self.inside:
            self.scheduler.remove(self.inside)
        admitted = self.scheduler.admit()
        self.inside = admitted[0] if admitted else None
        return self.rows[self.inside] if self.inside else None


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


def test_a_lane_s_turn_comes_by_age_whatever_its_tenants():
    door = Door()
    old = door.arrive("large", Lane.BULK, moment=0.0)
    door.arrive("small", Lane.INTERACTIVE, moment=HANDICAP[Lane.BULK] + 1)
    assert door.next().identity == old
    door.arrive("small", Lane.BULK, moment=HANDICAP[Lane.BULK] + 2)
    assert door.next().lane is Lane.INTERACTIVE


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.sampled_from(TENANTS)), max_size=120))
def test_while_a_tenant_waits_no_other_gets_ahead_of_it_by_more_than_two(events):
    """None: the place becomes free. The bound is start-time fair queueing's, for equal weights."""
    door = Door()
    waiting: Counter[str] = Counter()
    ahead = {(one, other): 0 for one in TENANTS for other in TENANTS}
    for tenant in [*events, *[None] * len(events)]:
        if tenant is not None:
            if not waiting[tenant]:
                ahead |= {(tenant, other): 0 for other in TENANTS}
            waiting[tenant] += 1
            door.arrive(tenant, moment=float(door.count))
            continue
        row = door.next()
        if row is None:
            assert not waiting.total()
            continue
        waiting[row.tenant] -= 1
        for one in TENANTS:
            ahead[one, row.tenant] += 1
            ahead[row.tenant, one] -= 1
            if waiting[one]:
                assert ahead[one, row.tenant] <= 2
            else:
                ahead |= {(one, other): 0 for other in TENANTS}
    assert not waiting.total(), "everybody got in"
