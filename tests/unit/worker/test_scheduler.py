"""The row scheduler: who gets in, and who steps next."""

from collections import Counter
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.domain.lanes import Lane
from worker.scheduler import HANDICAP, PATIENCE, WEIGHT, Candidate, RowScheduler


def candidate(
    *,
    shape: str = "128x128",
    lane: Lane = Lane.STANDARD,
    arrived: float = 0.0,
    solo: bool = False,
) -> Candidate:
    return Candidate(identity=uuid4(), shape=shape, lane=lane, arrived=arrived, solo=solo)


def test_rows_of_one_shape_share_a_call_up_to_the_limit():
    scheduler = RowScheduler(row_limit=2)
    rows = [candidate(arrived=moment) for moment in (0.0, 1.0, 2.0)]
    for row in rows:
        scheduler.add(row)
    assert scheduler.admit() == [rows[0].identity, rows[1].identity]
    assert set(scheduler.step()) == {rows[0].identity, rows[1].identity}
    assert list(scheduler.waiting) == [rows[2].identity]


def test_a_place_that_becomes_free_is_filled_before_the_next_step():
    scheduler = RowScheduler(row_limit=2)
    first, second, third = (candidate(arrived=moment) for moment in (0.0, 1.0, 2.0))
    for row in (first, second, third):
        scheduler.add(row)
    scheduler.admit()
    scheduler.remove(first.identity)
    scheduler.admit()
    assert set(scheduler.step()) == {second.identity, third.identity}


def test_a_solo_row_never_shares_a_call():
    scheduler = RowScheduler(row_limit=8)
    rows = [candidate(), candidate(solo=True), candidate(solo=True), candidate()]
    for row in rows:
        scheduler.add(row)
    scheduler.admit()
    calls = [frozenset(scheduler.step()) for _ in range(3)]
    assert sorted(len(call) for call in calls) == [1, 1, 2]


@pytest.mark.parametrize("lane", list(Lane))
def test_a_lane_stands_back_for_its_handicap_and_no_longer(lane: Lane):
    scheduler = RowScheduler(row_limit=1)
    early = candidate(lane=lane, arrived=0.0)
    fresher = candidate(lane=Lane.INTERACTIVE, arrived=HANDICAP[lane] - 1)
    too_late = candidate(lane=Lane.INTERACTIVE, arrived=HANDICAP[lane] + 1)
    for row in (too_late, fresher, early):
        scheduler.add(row)
    order = list(scheduler.waiting)
    assert order.index(early.identity) < order.index(too_late.identity)
    if HANDICAP[lane]:
        assert order.index(fresher.identity) < order.index(early.identity)


def test_groups_step_in_proportion_to_their_weight():
    scheduler = RowScheduler(row_limit=4)
    lanes = {candidate(shape=lane.value, lane=lane): lane for lane in Lane}
    for row in lanes:
        scheduler.add(row)
    scheduler.admit()
    by_identity = {row.identity: lane for row, lane in lanes.items()}
    rounds = 10
    steps = Counter(
        by_identity[scheduler.step()[0]] for _ in range(rounds * int(sum(WEIGHT.values())))
    )
    assert {lane: steps[lane] / rounds for lane in Lane} == pytest.approx(dict(WEIGHT), abs=0.2)


@pytest.mark.parametrize("others", [1, 3, 8])
@pytest.mark.parametrize("retries", [1, 2, 10])
def test_rows_that_run_alone_have_one_group_s_weight_together(retries: int, others: int):
    scheduler = RowScheduler(row_limit=8)
    alone = [candidate(solo=True) for _ in range(retries)]
    for row in (*alone, *(candidate() for _ in range(others))):
        scheduler.add(row)
    scheduler.admit()
    rounds = 20
    calls = [scheduler.step() for _ in range(2 * retries * rounds)]
    steps = Counter(identity for call in calls for identity in call)
    assert [steps[row.identity] for row in alone] == pytest.approx([rounds] * retries, abs=1)
    shared = sum(not any(row.identity in call for row in alone) for call in calls)
    assert shared == pytest.approx(retries * rounds, abs=retries)


def test_an_urgent_row_that_runs_alone_keeps_its_lead_over_others_that_do():
    scheduler = RowScheduler(row_limit=8)
    urgent = candidate(lane=Lane.INTERACTIVE, solo=True)
    bulky = [candidate(lane=Lane.BULK, solo=True) for _ in range(9)]
    crowd = candidate(lane=Lane.BULK)
    for row in (urgent, *bulky, crowd):
        scheduler.add(row)
    scheduler.admit()
    # As a group with an interactive row beside one with bulk rows: four calls to one.
    steps = Counter(scheduler.step()[0] for _ in range(13 * 5 * 4))
    assert steps[crowd.identity] == pytest.approx(13 * 4, abs=2)
    assert steps[urgent.identity] == pytest.approx(16 * 4, abs=2)
    assert all(steps[row.identity] == pytest.approx(4 * 4, abs=2) for row in bulky)


def test_rows_that_run_alone_hold_no_other_shape_up():
    scheduler = RowScheduler(row_limit=8)
    for _ in range(10):
        scheduler.add(candidate(solo=True))
    other = candidate(shape="64x64", solo=True)
    scheduler.add(other)
    scheduler.admit()
    steps = Counter(scheduler.step()[0] for _ in range(200))
    assert steps[other.identity] == pytest.approx(100, abs=1)


def test_a_late_group_does_not_catch_up_on_the_past():
    scheduler = RowScheduler(row_limit=1)
    old = candidate(shape="old")
    scheduler.add(old)
    scheduler.admit()
    for _ in range(100):
        scheduler.step()
    new = candidate(shape="new")
    scheduler.add(new)
    scheduler.admit()
    steps = Counter(scheduler.step()[0] for _ in range(20))
    assert steps[old.identity] >= 9


def test_a_row_is_here_once():
    scheduler = RowScheduler(row_limit=1)
    row = candidate()
    scheduler.add(row)
    with pytest.raises(ValueError, match="here already"):
        scheduler.add(row)
    scheduler.admit()
    with pytest.raises(ValueError, match="here already"):
        scheduler.add(row)


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="row_limit"):
        RowScheduler(row_limit=0)
    with pytest.raises(ValueError, match="streams"):
        RowScheduler(row_limit=1, streams=0)


def test_streams_share_the_rows_of_a_shape_out():
    scheduler = RowScheduler(row_limit=4, streams=2)
    rows = [candidate(arrived=float(moment)) for moment in range(9)]
    for row in rows:
        scheduler.add(row)
    scheduler.admit()
    calls = [scheduler.step(stream) for stream in range(2)]
    assert [len(call) for call in calls] == [4, 4]
    assert {*calls[0], *calls[1]} == {row.identity for row in rows[:8]}
    assert not scheduler.ready


def test_one_row_for_each_stream_before_a_second_one():
    scheduler = RowScheduler(row_limit=4, streams=2)
    for _ in range(2):
        scheduler.add(candidate())
    scheduler.admit()
    assert [len(scheduler.step(stream)) for stream in range(2)] == [1, 1]


def test_a_stream_that_lost_its_rows_gets_of_the_others():
    scheduler = RowScheduler(row_limit=4, streams=2)
    rows = [candidate() for _ in range(4)]
    for row in rows:
        scheduler.add(row)
    scheduler.admit()
    first, second = scheduler.step(0), scheduler.step(1)
    for identity in first:
        scheduler.remove(identity)
    assert scheduler.step(0) == []
    assert not scheduler.ready
    scheduler.release(1)
    assert scheduler.ready
    assert scheduler.step(0) == second[:1]
    assert scheduler.step(1) == second[1:]


def test_a_row_that_comes_again_is_not_the_one_in_the_call():
    scheduler = RowScheduler(row_limit=1, streams=2)
    row = candidate()
    scheduler.add(row)
    scheduler.admit()
    scheduler.step(0)
    scheduler.remove(row.identity)
    scheduler.add(row)
    scheduler.admit()
    assert scheduler.step(1) == [row.identity]
    scheduler.release(0)
    assert scheduler.busy(row.identity)
    assert not scheduler.ready


def test_two_streams_step_groups_in_proportion_to_their_weight():
    scheduler = RowScheduler(row_limit=2, streams=2)
    lanes = {candidate(shape=lane.value, lane=lane).identity: lane for lane in Lane}
    for identity, lane in lanes.items():
        scheduler.add(Candidate(identity=identity, shape=lane.value, lane=lane, arrived=0.0))
    bulky = [candidate(shape=Lane.BULK.value, lane=Lane.BULK) for _ in range(3)]
    for row in bulky:
        scheduler.add(row)
    scheduler.admit()
    rounds = 100
    steps: Counter[UUID] = Counter()
    for turn in range(rounds * 4):
        steps.update(scheduler.step(turn % 2))
    by_lane = {lane: steps[identity] for identity, lane in lanes.items()}
    # A row can be in one stream only: even the most urgent has at most every second call.
    assert by_lane[Lane.INTERACTIVE] > by_lane[Lane.STANDARD] > by_lane[Lane.BULK] > 0
    assert max(steps[row.identity] for row in bulky) <= by_lane[Lane.BULK] + 1


def test_removing_an_unknown_row_says_so():
    assert RowScheduler(row_limit=1).remove(uuid4()) is False


class SchedulerMachine(RuleBasedStateMachine):
    """Any sequence of arrivals, admissions, steps and departures."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = 3
        self.scheduler = RowScheduler(row_limit=self.limit)
        self.rows: dict[UUID, Candidate] = {}
        self.passed_over: Counter[UUID] = Counter()
        self.most_alone = 1
        self.admitted: set[UUID] = set()
        self.now = 0.0
        self.count = 0

    @rule(
        shape=st.sampled_from(["a", "b", "c"]),
        lane=st.sampled_from(list(Lane)),
        solo=st.booleans(),
        pause=st.floats(min_value=0, max_value=1000),
    )
    def arrive(self, shape: str, lane: Lane, solo: bool, pause: float) -> None:
        self.now += pause
        self.count += 1
        row = Candidate(
            identity=UUID(int=self.count), shape=shape, lane=lane, arrived=self.now, solo=solo
        )
        self.rows[row.identity] = row
        self.scheduler.add(row)

    @rule()
    def admit(self) -> None:
        self.admitted |= set(self.scheduler.admit())
        # Whoever still waits has a full group before it.
        for identity in self.scheduler.waiting:
            group = self.rows[identity].group
            assert sum(self.rows[a].group == group for a in self.admitted) == self.limit

    @precondition(lambda self: self.admitted)
    @rule()
    def step(self) -> None:
        stepped = set(self.scheduler.step())
        assert stepped
        assert stepped <= self.admitted
        groups = {self.rows[identity].group for identity in stepped}
        assert len(groups) == 1
        assert stepped == {a for a in self.admitted if self.rows[a].group in groups}
        for identity in self.admitted - stepped:
            self.passed_over[identity] += 1
        for identity in stepped:
            self.passed_over[identity] = 0
        # No group starves: the heaviest takes at most its weight in turns before the lightest.
        # Rows that run alone share one group's weight, so each of them lets so many more pass.
        ceiling = max(WEIGHT.values()) / min(WEIGHT.values())
        alone = Counter(self.rows[a].shape for a in self.admitted if self.rows[a].solo)
        self.most_alone = max(self.most_alone, *alone.values(), 1)
        for identity, turns in self.passed_over.items():
            sharing = self.most_alone if self.rows[identity].solo else 1
            assert turns <= (ceiling * sharing + 1) * (len(self.rows) + 1)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        identity = data.draw(st.sampled_from(sorted(self.rows)))
        assert self.scheduler.remove(identity)
        del self.rows[identity]
        self.admitted.discard(identity)
        self.passed_over.pop(identity, None)

    @invariant()
    def nothing_is_lost_or_counted_twice(self) -> None:
        assert len(self.scheduler) == len(self.rows)
        assert self.scheduler.running == len(self.admitted)
        assert set(self.scheduler.waiting) == set(self.rows) - self.admitted


TestSchedulerMachine = SchedulerMachine.TestCase


def admitted(count: int, **values) -> tuple[RowScheduler, list[UUID]]:
    scheduler = RowScheduler(row_limit=count, **values)
    rows = [candidate(arrived=float(number)) for number in range(count)]
    for row in rows:
        scheduler.add(row)
    scheduler.admit()
    return scheduler, [row.identity for row in rows]


def test_rows_of_different_phases_never_share_a_call():
    scheduler, rows = admitted(4)
    scheduler.turn(rows[1], 1)
    scheduler.turn(rows[3], 1)
    assert set(scheduler.step()) == {rows[1], rows[3]}


def test_rows_meet_at_the_whole_step_and_stay_together():
    scheduler, rows = admitted(6)
    plan = (0, 1, 1)
    at = {identity: number % 3 for number, identity in enumerate(rows)}
    for identity in rows:
        scheduler.turn(identity, plan[at[identity]])
    sizes = []
    for _ in range(12):
        call = scheduler.step()
        sizes.append(len(call))
        for identity in call:
            at[identity] += 1
            scheduler.turn(identity, plan[at[identity] % 3])
    assert sizes[4:] == [6] * 8


def test_a_row_waits_for_other_phases_only_so_long():
    scheduler, rows = admitted(3)
    for identity in rows[1:]:
        scheduler.turn(identity, 1)
    calls = [scheduler.step() for _ in range(PATIENCE + 1)]
    assert calls[:PATIENCE] == [rows[1:]] * PATIENCE
    assert calls[PATIENCE] == [rows[0]]


def test_the_phase_of_a_row_that_is_gone_is_nobody_s():
    scheduler, rows = admitted(1)
    scheduler.turn(rows[0], 1)
    scheduler.remove(rows[0])
    scheduler.turn(rows[0], 1)
    again = Candidate(identity=rows[0], shape="128x128", lane=Lane.BULK, arrived=0.0)
    other = candidate()
    scheduler = RowScheduler(row_limit=2)
    scheduler.add(again)
    scheduler.add(other)
    scheduler.admit()
    scheduler.turn(rows[0], 1)
    scheduler.remove(rows[0])
    scheduler.add(again)
    scheduler.admit()
    assert len(scheduler.step()) == 2, "it begins in phase 0 again"


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=20), min_size=1, max_size=8),
    st.integers(1, 3),
)
def test_rows_of_any_phases_get_their_turns(plans: list[list[int]], streams: int):
    """Each row repeats phases of its own; none is left behind for more than a bounded time."""
    scheduler, rows = admitted(len(plans), streams=streams)
    plan_of = dict(zip(rows, plans, strict=True))
    at = dict.fromkeys(rows, 0)
    waited = dict.fromkeys(rows, 0)
    for identity in rows:
        scheduler.turn(identity, plan_of[identity][0])
    calls: dict[int, list[UUID]] = {stream: [] for stream in range(streams)}
    for turn in range(150):
        stream = turn % streams
        for identity in calls[stream]:
            at[identity] += 1
            scheduler.turn(identity, plan_of[identity][at[identity] % len(plan_of[identity])])
        call = calls[stream] = list(scheduler.step(stream))
        phases = {plan_of[identity][at[identity] % len(plan_of[identity])] for identity in call}
        assert len(phases) <= 1
        busy = {identity for other in calls.values() for identity in other}
        for identity in rows:
            waited[identity] = 0 if identity in busy else waited[identity] + 1
            # Its patience, and one call each for whoever ran out of it at the same time.
            assert waited[identity] <= (PATIENCE + len(plans) + 1) * streams


class StreamsMachine(RuleBasedStateMachine):
    """Any sequence of arrivals, departures and calls of several streams."""

    limit = 2
    streams = 3

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = RowScheduler(row_limit=self.limit, streams=self.streams)
        self.rows: dict[UUID, Candidate] = {}
        self.calls: dict[int, set[UUID]] = {stream: set() for stream in range(self.streams)}
        self.phases: dict[UUID, int] = {}

    @rule(shape=st.sampled_from(["a", "b"]), solo=st.booleans(), name=st.integers(1, 20))
    def arrive(self, shape: str, solo: bool, name: int) -> None:
        # Few names, so that a row comes again that left in the middle of a call.
        row = Candidate(
            identity=UUID(int=name), shape=shape, lane=Lane.BULK, arrived=0.0, solo=solo
        )
        if row.identity not in self.rows:
            self.rows[row.identity] = row
            self.scheduler.add(row)

    @rule(stream=st.integers(0, streams - 1))
    def step(self, stream: int) -> None:
        self.scheduler.admit()
        self.calls[stream] = set()
        self.scheduler.release(stream)
        ready = self.scheduler.ready
        call = set(self.scheduler.step(stream))
        assert bool(call) is ready, "whoever is told that there is work finds it"
        assert call <= set(self.rows)
        assert len(call) <= self.limit
        assert len({self.rows[identity].group for identity in call}) <= 1
        assert len({self.phases.get(identity, 0) for identity in call}) <= 1
        assert not call & set().union(*self.calls.values()), "a row is in one call at a time"
        self.calls[stream] = call

    @rule(stream=st.integers(0, streams - 1), phase=st.integers(0, 2))
    def finish(self, stream: int, phase: int) -> None:
        for identity in self.calls[stream]:
            self.scheduler.turn(identity, phase)
            self.phases[identity] = phase
        self.scheduler.release(stream)
        self.calls[stream] = set()

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        identity = data.draw(st.sampled_from(sorted(self.rows)))
        assert self.scheduler.remove(identity)
        del self.rows[identity]
        self.phases.pop(identity, None)
        for call in self.calls.values():
            call.discard(identity)

    @invariant()
    def every_row_waits_is_in_a_call_or_can_be_picked(self) -> None:
        assert len(self.scheduler) == len(self.rows)
        busy = {identity for identity in self.rows if self.scheduler.busy(identity)}
        assert busy == set().union(*self.calls.values())

    def teardown(self) -> None:
        """Nobody is forgotten: streams that go on alone get every row in turn."""
        for stream in range(self.streams):
            self.scheduler.release(stream)
        seen: set[UUID] = set()
        for turn in range(50 * self.streams):
            self.scheduler.admit()
            for identity in self.scheduler.step(turn % self.streams):
                seen.add(identity)
                self.scheduler.remove(identity)
        assert seen == set(self.rows)


TestStreamsMachine = StreamsMachine.TestCase


@given(st.lists(st.tuples(st.sampled_from(list(Lane)), st.floats(0, 10_000)), max_size=50))
def test_within_a_lane_the_first_to_arrive_is_the_first_in(arrivals: list[tuple[Lane, float]]):
    scheduler = RowScheduler(row_limit=1)
    rows = {}
    for lane, moment in arrivals:
        row = candidate(lane=lane, arrived=moment)
        rows[row.identity] = row
        scheduler.add(row)
    for lane in Lane:
        moments = [rows[i].arrived for i in scheduler.waiting if rows[i].lane is lane]
        assert moments == sorted(moments)
