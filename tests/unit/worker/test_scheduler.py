"""The row scheduler: which rows share the next call."""

from collections import Counter
from collections.abc import Hashable
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.domain.lanes import Lane
from worker.scheduler import WEIGHT, RowScheduler
from worker.turns import CallLimits, Candidate, GroupKey


def candidate(
    *,
    shape: str = "128x128",
    lane: Lane = Lane.STANDARD,
    arrived: float = 0.0,
    solo: bool = False,
    tenant: str = "",
    key: int = 1,
) -> Candidate:
    return Candidate(
        identity=uuid4(), shape=shape, lane=lane, arrived=arrived, solo=solo, tenant=tenant, key=key
    )


def test_rows_of_one_shape_share_a_call_up_to_the_limit():
    scheduler = RowScheduler(row_limit=2)
    rows = [candidate(arrived=moment) for moment in (0.0, 1.0, 2.0)]
    for row in rows:
        scheduler.add(row)
    for _ in range(3):
        assert scheduler.step() == [rows[0].identity, rows[1].identity]


def test_a_row_that_leaves_makes_room_in_the_next_call():
    scheduler = RowScheduler(row_limit=2)
    first, second, third = (candidate(arrived=moment) for moment in (0.0, 1.0, 2.0))
    for row in (third, first, second):
        scheduler.add(row)
    assert set(scheduler.step()) == {first.identity, second.identity}
    scheduler.remove(first.identity)
    assert set(scheduler.step()) == {second.identity, third.identity}


@given(
    bulky=st.integers(1, 30),
    limit=st.integers(1, 8),
    streams=st.integers(1, 3),
    calls=st.integers(0, 40),
    shape=st.sampled_from(["128x128", "64x64"]),
)
def test_an_interactive_row_that_meets_full_calls_of_bulk_rows_is_in_the_next_one(
    bulky: int, limit: int, streams: int, calls: int, shape: str
):
    scheduler = RowScheduler(row_limit=limit, streams=streams)
    rows = [candidate(lane=Lane.BULK, arrived=float(moment)) for moment in range(bulky)]
    for row in rows:
        scheduler.add(row)
    before = [set(scheduler.step(turn % streams)) for turn in range(calls)]
    urgent = candidate(lane=Lane.INTERACTIVE, arrived=1e6, shape=shape)
    scheduler.add(urgent)
    assert urgent.identity in scheduler.step(calls % streams)
    scheduler.remove(urgent.identity)
    if calls and streams == 1:
        assert set(scheduler.step()) == before[-1], "who stood back goes on"


def test_an_urgent_row_keeps_its_place_until_it_is_done():
    scheduler = RowScheduler(row_limit=2)
    for moment in range(10):
        scheduler.add(candidate(lane=Lane.BULK, arrived=float(moment)))
    urgent = candidate(lane=Lane.INTERACTIVE, arrived=100.0)
    scheduler.add(urgent)
    for _ in range(50):
        call = scheduler.step()
        assert urgent.identity in call
        assert len(call) == 2


def test_lanes_get_places_in_proportion_to_their_weight():
    scheduler = RowScheduler(row_limit=3)
    lanes = {}
    for number in range(30):
        for lane in Lane:
            row = candidate(lane=lane, arrived=float(number))
            lanes[row.identity] = lane
            scheduler.add(row)
    rounds = 10
    places = Counter(
        lanes[identity]
        for _ in range(rounds * int(sum(WEIGHT.values())) // 3)
        for identity in scheduler.step()
    )
    assert {lane: places[lane] / rounds for lane in Lane} == pytest.approx(dict(WEIGHT), abs=0.2)


@pytest.mark.parametrize("newcomer", [{"tenant": "other"}, {"key": 2}, {"shape": "64x64"}])
def test_rows_of_many_steps_do_not_hold_up_one_of_few(newcomer):
    scheduler = RowScheduler(row_limit=4)
    long = [candidate(lane=Lane.BULK, arrived=float(moment)) for moment in range(20)]
    for row in long:
        scheduler.add(row)
    scheduler.step()
    short = candidate(lane=Lane.BULK, arrived=1e6, **newcomer)
    scheduler.add(short)
    calls = [scheduler.step() for _ in range(2)]
    assert any(short.identity in call for call in calls)


FLOOD = st.lists(
    st.tuples(
        st.sampled_from(list(Lane)), st.sampled_from("ab"), st.integers(1, 2), st.integers(1, 9)
    ),
    min_size=1,
    max_size=8,
)


@given(
    flood=FLOOD,
    limit=st.integers(1, 4),
    streams=st.integers(1, 2),
    lane=st.sampled_from(list(Lane)),
    steps=st.integers(1, 4),
)
@settings(max_examples=50, deadline=None)
def test_nothing_starves_in_an_endless_flood_of_others(flood, limit, streams, lane, steps):
    scheduler = RowScheduler(row_limit=limit, streams=streams)
    victim = candidate(lane=lane, arrived=0.0, tenant="a")
    left = {victim.identity: steps}
    scheduler.add(victim)
    calls = 0
    running: dict[int, list[UUID]] = {}
    while victim.identity in left:
        # More come before each call than it has places.
        for number in range(limit * streams + 1):
            row_lane, tenant, key, needed = flood[(calls + number) % len(flood)]
            row = candidate(lane=row_lane, tenant=tenant, key=key, arrived=1.0 + calls)
            left[row.identity] = needed
            scheduler.add(row)
        stream = calls % streams
        for identity in running.pop(stream, ()):
            left[identity] -= 1
            if not left[identity]:
                del left[identity]
                scheduler.remove(identity)
        running[stream] = list(scheduler.step(stream))
        calls += 1
        # Its lane's share, its tenant's half of that, and its key's half of that.
        share = WEIGHT[lane] / sum(WEIGHT.values()) / 4
        assert calls <= (steps + 2) * (2 / share + streams)


def test_a_solo_row_never_shares_a_call():
    scheduler = RowScheduler(row_limit=8)
    rows = [candidate(), candidate(solo=True), candidate(solo=True), candidate()]
    for row in rows:
        scheduler.add(row)
    calls = [frozenset(scheduler.step()) for _ in range(3)]
    assert sorted(len(call) for call in calls) == [1, 1, 2]


def test_groups_step_in_proportion_to_their_weight():
    scheduler = RowScheduler(row_limit=4)
    lanes = {candidate(shape=lane.value, lane=lane): lane for lane in Lane}
    for row in lanes:
        scheduler.add(row)
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
    # As a group with an interactive row beside one with bulk rows: sixteen calls to one.
    steps = Counter(scheduler.step()[0] for _ in range(17 * 25 * 4))
    assert steps[crowd.identity] == pytest.approx(25 * 4, abs=2)
    assert steps[urgent.identity] == pytest.approx(16 * 16 * 4, abs=2)
    assert all(steps[row.identity] == pytest.approx(16 * 4, abs=2) for row in bulky)


def test_rows_that_run_alone_hold_no_other_shape_up():
    scheduler = RowScheduler(row_limit=8)
    for _ in range(10):
        scheduler.add(candidate(solo=True))
    other = candidate(shape="64x64", solo=True)
    scheduler.add(other)
    steps = Counter(scheduler.step()[0] for _ in range(200))
    assert steps[other.identity] == pytest.approx(100, abs=1)


def test_a_late_group_does_not_catch_up_on_the_past():
    scheduler = RowScheduler(row_limit=1)
    old = candidate(shape="old")
    scheduler.add(old)
    for _ in range(100):
        scheduler.step()
    new = candidate(shape="new")
    scheduler.add(new)
    steps = Counter(scheduler.step()[0] for _ in range(20))
    assert steps[old.identity] >= 9


def test_a_row_is_here_once():
    scheduler = RowScheduler(row_limit=1)
    row = candidate()
    scheduler.add(row)
    with pytest.raises(ValueError, match="here already"):
        scheduler.add(row)
    scheduler.step()
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
    calls = [scheduler.step(stream) for stream in range(2)]
    assert [len(call) for call in calls] == [4, 4]
    assert {*calls[0], *calls[1]} == {row.identity for row in rows[:8]}
    assert scheduler.step(0) == calls[0]


def test_one_row_for_each_stream_before_a_second_one():
    scheduler = RowScheduler(row_limit=4, streams=2)
    for _ in range(2):
        scheduler.add(candidate())
    assert [len(scheduler.step(stream)) for stream in range(2)] == [1, 1]


def test_a_stream_that_lost_its_rows_gets_of_the_others():
    scheduler = RowScheduler(row_limit=4, streams=2)
    rows = [candidate() for _ in range(4)]
    for row in rows:
        scheduler.add(row)
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
    scheduler.step(0)
    scheduler.remove(row.identity)
    scheduler.add(row)
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
    """Any sequence of arrivals, steps and departures."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = 3
        self.scheduler = RowScheduler(row_limit=self.limit)
        self.rows: dict[UUID, Candidate] = {}
        self.passed_over: Counter[GroupKey] = Counter()
        self.most_alone = 1
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

    @precondition(lambda self: self.rows)
    @rule()
    def step(self) -> None:
        stepped = [self.rows[identity] for identity in self.scheduler.step()]
        (group,) = {row.group for row in stepped}
        members = [row for row in self.rows.values() if row.group == group]
        assert len(stepped) == len(set(stepped)) == min(self.limit, len(members))
        for row in stepped:
            older = [one for one in members if one.lane is row.lane and one.arrived < row.arrived]
            assert set(older) <= set(stepped), "a key's rows follow each other by age"
        groups = {row.group for row in self.rows.values()}
        for other in groups:
            self.passed_over[other] = 0 if other == group else self.passed_over[other] + 1
        # No group starves: the heaviest takes at most its weight in turns before the lightest.
        # Rows that run alone share one group's weight, so each of them lets so many more pass.
        ceiling = max(WEIGHT.values()) / min(WEIGHT.values())
        alone = Counter(row.shape for row in self.rows.values() if row.solo)
        self.most_alone = max(self.most_alone, *alone.values(), 1)
        for other in groups:
            sharing = self.most_alone if other.alone else 1
            assert self.passed_over[other] <= (ceiling * sharing + 1) * (len(self.rows) + 1)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        identity = data.draw(st.sampled_from(sorted(self.rows)))
        assert self.scheduler.remove(identity)
        gone = self.rows.pop(identity)
        if all(row.group != gone.group for row in self.rows.values()):
            self.passed_over.pop(gone.group, None)

    @invariant()
    def nothing_is_lost_or_counted_twice(self) -> None:
        assert len(self.scheduler) == len(self.rows)


TestSchedulerMachine = SchedulerMachine.TestCase


def aged(count: int, **values) -> tuple[RowScheduler, list[UUID]]:
    """Make a scheduler with so many rows, the oldest first."""
    scheduler = RowScheduler(row_limit=count, **values)
    rows = [candidate(arrived=float(number)) for number in range(count)]
    for row in rows:
        scheduler.add(row)
    return scheduler, [row.identity for row in rows]


def test_rows_of_different_phases_never_share_a_call():
    scheduler, rows = aged(4)
    scheduler.set_phase(rows[1], 1)
    scheduler.set_phase(rows[3], 1)
    assert set(scheduler.step()) == {rows[0], rows[2]}, "the phase of the oldest"
    scheduler.set_phase(rows[0], 1)
    assert set(scheduler.step()) == {rows[0], rows[1], rows[3]}


def test_rows_meet_at_the_whole_step_and_stay_together():
    scheduler, rows = aged(6)
    plan = (0, 1, 1)
    at = {identity: number % 3 for number, identity in enumerate(rows)}
    for identity in rows:
        scheduler.set_phase(identity, plan[at[identity]])
    sizes = []
    for _ in range(12):
        call = scheduler.step()
        sizes.append(len(call))
        for identity in call:
            at[identity] += 1
            scheduler.set_phase(identity, plan[at[identity] % 3])
    assert sizes[4:] == [6] * 8


def test_a_more_urgent_row_does_not_wait_for_the_phase_of_others():
    scheduler, rows = aged(3)
    for identity in rows:
        scheduler.set_phase(identity, 1)
    urgent = candidate(lane=Lane.INTERACTIVE, arrived=10.0)
    scheduler.add(urgent)
    assert scheduler.step() == [urgent.identity]
    scheduler.set_phase(urgent.identity, 1)
    assert set(scheduler.step()) == {urgent.identity, *rows[:2]}


def test_the_phase_of_a_row_that_is_gone_is_nobody_s():
    scheduler, rows = aged(1)
    scheduler.set_phase(rows[0], 1)
    scheduler.remove(rows[0])
    scheduler.set_phase(rows[0], 1)
    again = Candidate(identity=rows[0], shape="128x128", lane=Lane.BULK, arrived=0.0)
    other = candidate()
    scheduler = RowScheduler(row_limit=2)
    scheduler.add(again)
    scheduler.add(other)
    scheduler.set_phase(rows[0], 1)
    scheduler.remove(rows[0])
    scheduler.add(again)
    assert len(scheduler.step()) == 2, "it begins in phase 0 again"


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=20), min_size=1, max_size=8),
    st.integers(1, 3),
)
def test_rows_of_any_phases_wait_for_older_ones_at_most(plans: list[list[int]], streams: int):
    """Each row has phases of its own; none is left behind for longer than older ones take."""
    scheduler, rows = aged(len(plans), streams=streams)
    left = {identity: list(plan) for identity, plan in zip(rows, plans, strict=True)}
    for identity in rows:
        scheduler.set_phase(identity, left[identity][0])
    calls: dict[int, list[UUID]] = {stream: [] for stream in range(streams)}
    waited = dict.fromkeys(rows, 0)
    turns = 0
    while left:
        stream = turns % streams
        turns += 1
        for identity in calls[stream]:
            del left[identity][0]
            if left[identity]:
                scheduler.set_phase(identity, left[identity][0])
            else:
                del left[identity]
                scheduler.remove(identity)
        call = calls[stream] = list(scheduler.step(stream))
        assert len({left[identity][0] for identity in call}) <= 1
        busy = {identity for other in calls.values() for identity in other}
        for number, identity in enumerate(rows):
            if identity in left and identity not in busy:
                waited[identity] += 1
                assert waited[identity] <= streams * (1 + sum(map(len, plans[:number])))


LIMITS = {"free": None, "narrow": CallLimits(1, 2), "single": CallLimits(5, 1)}
"""Plans of models by name."""


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
        self.models: dict[int, Hashable] = {}
        """Whose call each stream runs, though all of its rows may have left."""

    @rule(
        shape=st.sampled_from(["a", "b"]),
        model=st.sampled_from(sorted(LIMITS)),
        solo=st.booleans(),
        name=st.integers(1, 20),
    )
    def arrive(self, shape: str, model: str, solo: bool, name: int) -> None:
        # Few names, so that a row comes again that left in the middle of a call.
        row = Candidate(
            identity=UUID(int=name),
            shape=shape,
            model=model,
            limits=LIMITS[model],
            lane=Lane.BULK,
            arrived=0.0,
            solo=solo,
        )
        if row.identity not in self.rows:
            self.rows[row.identity] = row
            self.scheduler.add(row)

    @rule(stream=st.integers(0, streams - 1))
    def step(self, stream: int) -> None:
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
        self.models[stream] = next((self.rows[one].model for one in call), None)
        for model, limits in LIMITS.items():
            if limits is not None:
                assert list(self.models.values()).count(model) <= limits.streams
                assert self.models[stream] != model or len(call) <= limits.row_limit

    @rule(stream=st.integers(0, streams - 1), phase=st.integers(0, 2))
    def finish(self, stream: int, phase: int) -> None:
        for identity in self.calls[stream]:
            self.scheduler.set_phase(identity, phase)
            self.phases[identity] = phase
        self.scheduler.release(stream)
        self.calls[stream] = set()
        self.models[stream] = None

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
            for identity in self.scheduler.step(turn % self.streams):
                seen.add(identity)
                self.scheduler.remove(identity)
        assert seen == set(self.rows)


TestStreamsMachine = StreamsMachine.TestCase


@given(st.lists(st.tuples(st.sampled_from(list(Lane)), st.floats(0, 10_000)), max_size=50))
def test_within_a_lane_the_first_to_arrive_is_the_first_in_a_call(
    arrivals: list[tuple[Lane, float]],
):
    scheduler = RowScheduler(row_limit=1)
    rows = {}
    for lane, moment in arrivals:
        row = candidate(lane=lane, arrived=moment)
        rows[row.identity] = row
        scheduler.add(row)
    order = []
    while call := scheduler.step():
        order += [rows[identity] for identity in call]
        scheduler.remove(*call)
    for lane in Lane:
        moments = [row.arrived for row in order if row.lane is lane]
        assert moments == sorted(moments)
