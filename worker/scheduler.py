"""Who runs next: pure bookkeeping of waiting and running rows.

No clock, no model, no queue: the engine tells it what time it is and what happened, and asks
which rows share the next UNet call.

Two questions are kept apart. *Who gets in* is decided for each group in two steps. The lane is
chosen by age: a lane's rank is the moment its first row arrived plus a handicap, so a bulk row
waits behind fresher interactive ones, but never for longer than its handicap. Within the lane the
tenants take turns (start-time fair queueing; Goyal, Vin and Cheng, 1996): each admission moves a
tenant's tag on by one, the lowest tag is next, and who comes anew starts at the tag of the last
admission. So another tenant's thousand rows are one row ahead of a newcomer, not a thousand. In a
tenant's turn its keys take turns in the same way, so that many keys of one tenant are one tenant
still. *Who steps next* is answered by stride scheduling (Waldspurger and Weihl, 1995) between
groups: rows of one shape form a group and step together; each group advances its own virtual time
by the inverse of its weight, and the least advanced steps. Rows that run alone are each a group,
but those of one shape have one group's weight together: however many retries there are, they leave
the others half of the calls.

Where several streams step at the same time, a group's rows are shared out among them anew at each
call: a stream takes its even share of the rows that no other stream has, those first that have
waited longest. So the streams stay balanced whoever joins and leaves.

Where features are kept between steps, a row is in a *phase*: the place of the UNet's variant that
its next step runs. Only rows of one phase share a call. Every row begins with, and comes back to,
phase 0, so a group's rows of higher phases go first and the others wait for them: they meet, and
then stay together.
"""

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from core.domain.lanes import Lane

HANDICAP: Mapping[Lane, float] = {Lane.INTERACTIVE: 0.0, Lane.STANDARD: 30.0, Lane.BULK: 300.0}
"""Seconds by which a lane's rows stand back behind interactive ones."""

WEIGHT: Mapping[Lane, float] = {Lane.INTERACTIVE: 4.0, Lane.STANDARD: 2.0, Lane.BULK: 1.0}
"""Steps that a group with such a row takes while one with bulk rows only takes one."""


PATIENCE = 8
"""Calls of rows in other phases that a row lets pass before its own phase goes first."""


class GroupKey(NamedTuple):
    """What rows that can share a call have in common."""

    shape: Hashable
    alone: UUID | None
    """The row that the group is, where it shares no call."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What the scheduler knows of a row."""

    identity: UUID
    shape: Hashable
    """Rows with equal shapes can share a UNet call."""
    lane: Lane
    arrived: float
    """Seconds, by any clock that never goes back."""
    tenant: str = ""
    """Whose it is: the tenants of a lane take turns."""
    key: Hashable = None
    """Which of the tenant's API keys asked for it: in the tenant's turns they take turns."""
    solo: bool = False
    """Never shares a call."""

    @property
    def group(self) -> GroupKey:
        """The rows it can share a call with."""
        return GroupKey(shape=self.shape, alone=self.identity if self.solo else None)

    @property
    def rank(self) -> tuple[float, float]:
        """Sort key of one key's waiting rows: lower gets in first."""
        return (self.arrived + HANDICAP[self.lane], self.arrived)


@dataclass(kw_only=True)
class Group:
    """Running rows that may share a call."""

    virtual_time: float
    rows: dict[UUID, Candidate] = field(default_factory=dict)
    idle: dict[UUID, int] = field(default_factory=dict)
    """Those in no stream's call, longest idle first, and how many calls of other phases each has
    let pass."""
    phases: dict[UUID, int] = field(default_factory=dict)
    """Of those that are not in phase 0."""

    @property
    def weight(self) -> float:
        """That of its most urgent row."""
        return max(WEIGHT[row.lane] for row in self.rows.values())

    @property
    def next_phase(self) -> int:
        """The phase of the next call: of whoever has waited long enough, else the highest."""
        for identity, passed in self.idle.items():
            if passed >= PATIENCE:
                return self.phase(identity)
        return max(self.phase(identity) for identity in self.idle)

    def phase(self, identity: UUID) -> int:
        """Give a row's phase."""
        return self.phases.get(identity, 0)

    def take(self, share: int) -> list[UUID]:
        """Take idle rows for a call, all of one phase, at most `share`."""
        phase = self.next_phase
        alike = [identity for identity in self.idle if self.phase(identity) == phase]
        for identity in self.idle:
            self.idle[identity] += self.phase(identity) != phase
        for identity in alike[:share]:
            del self.idle[identity]
        return alike[:share]


@dataclass(kw_only=True)
class Turns:
    """Whose turn it is: start-time fair queueing with equal weights."""

    virtual_time: float = 0.0
    """Start tag of the last turn."""
    finish: dict[Hashable, float] = field(default_factory=dict)
    """Where each one's last turn ended, as far as that is still ahead."""

    def start(self, who: Hashable) -> float:
        """Give the start tag that somebody's next turn would have."""
        return max(self.virtual_time, self.finish.get(who, 0.0))

    def charge(self, who: Hashable) -> None:
        """Note that somebody had a turn."""
        self.virtual_time = self.start(who)
        self.finish[who] = self.virtual_time + 1.0
        # What lies behind is the same as never having been here.
        self.finish = {who: end for who, end in self.finish.items() if end > self.virtual_time}


@dataclass(kw_only=True)
class LaneTurns:
    """Whose row of a group and lane gets in next: a tenant's turn, and in it a key's."""

    tenants: Turns = field(default_factory=Turns)
    keys: dict[str, Turns] = field(default_factory=dict)
    """By tenant, of those that have rows waiting."""

    def next(self, rows: Sequence[Candidate]) -> Candidate:
        """Choose among rows that are sorted by rank."""
        # Of equal ones the first is taken: the best rank.
        tenant = min(rows, key=lambda row: self.tenants.start(row.tenant)).tenant
        keys = self.keys.get(tenant, Turns())
        mine = (row for row in rows if row.tenant == tenant)
        return min(mine, key=lambda row: keys.start(row.key))

    def charge(self, row: Candidate) -> None:
        """Note that a row got in."""
        self.tenants.charge(row.tenant)
        self.keys.setdefault(row.tenant, Turns()).charge(row.key)

    def keep(self, tenants: Collection[str]) -> None:
        """Forget the turns among the keys of all tenants but these."""
        self.keys = {tenant: turns for tenant, turns in self.keys.items() if tenant in tenants}


class RowScheduler:
    """Admits waiting rows to groups, and shares the groups' rows out among the streams.

    A group has `row_limit` places for each stream.
    """

    def __init__(self, *, row_limit: int, streams: int = 1) -> None:
        if row_limit < 1:
            raise ValueError(f"row_limit is {row_limit}; it must be 1 or more")
        if streams < 1:
            raise ValueError(f"streams is {streams}; it must be 1 or more")
        self.row_limit = row_limit
        self.streams = streams
        self._waiting: dict[UUID, Candidate] = {}
        self._groups: dict[GroupKey, Group] = {}
        self._turns: dict[tuple[GroupKey, Lane], LaneTurns] = {}
        self._calls: dict[int, dict[UUID, Group]] = {stream: {} for stream in range(streams)}
        self._virtual_time = 0.0

    def __len__(self) -> int:
        return len(self._waiting) + self.running

    @property
    def running(self) -> int:
        """How many rows are admitted."""
        return sum(len(group.rows) for group in self._groups.values())

    @property
    def waiting(self) -> Sequence[UUID]:
        """The rows that are not admitted yet, by lane and age; turns are not in it."""
        ranked = sorted(self._waiting.values(), key=lambda row: row.rank)
        return [row.identity for row in ranked]

    @property
    def ready(self) -> bool:
        """Whether a stream without a call would find rows for one."""
        if any(group.idle for group in self._groups.values()):
            return True
        groups = {row.group for row in self._waiting.values()}
        return any(self._has_place(self._groups.get(group)) for group in groups)

    def busy(self, identity: UUID) -> bool:
        """Tell whether a row is in a stream's call."""
        return any(identity in call for call in self._calls.values())

    def add(self, row: Candidate) -> None:
        """Let a row wait for its admission."""
        if row.identity in self._waiting or self._group_of(row.identity):
            raise ValueError(f"row {row.identity} is here already")
        self._waiting[row.identity] = row

    def remove(self, identity: UUID) -> bool:
        """Forget a row, waiting or running; tell whether it was here."""
        if self._waiting.pop(identity, None):
            return True
        key = self._group_of(identity)
        if key is None:
            return False
        group = self._groups[key]
        del group.rows[identity]
        group.idle.pop(identity, None)
        group.phases.pop(identity, None)
        # Its stream must not give it back: a row of the same name may have come since.
        for call in self._calls.values():
            call.pop(identity, None)
        if not group.rows:
            self._close(key)
        return True

    def admit(self) -> Sequence[UUID]:
        """Move waiting rows into every free place of their groups, whose turn it is first."""
        admitted = []
        for key, rows in self._waiting_by_group().items():
            group = self._groups.get(key)
            if group is None:
                # A new group starts level with the others: it cannot catch up on the past.
                group = self._groups[key] = Group(virtual_time=self._virtual_time)
            while rows and self._has_place(group):
                row = self._next(key, rows)
                rows.remove(row)
                self._turns.setdefault((key, row.lane), LaneTurns()).charge(row)
                group.rows[row.identity] = self._waiting.pop(row.identity)
                group.idle[row.identity] = 0
                admitted.append(row.identity)
            self._forget_keys(key, rows)
        return admitted

    def _forget_keys(self, key: GroupKey, waiting: Sequence[Candidate]) -> None:
        """Keep a group's turns among keys of those tenants only that have rows waiting for it."""
        for lane in Lane:
            if turns := self._turns.get((key, lane)):
                turns.keep({row.tenant for row in waiting if row.lane is lane})

    def _waiting_by_group(self) -> Mapping[GroupKey, list[Candidate]]:
        """Give the waiting rows of each group, best rank first."""
        groups: dict[GroupKey, list[Candidate]] = {}
        for row in sorted(self._waiting.values(), key=lambda row: row.rank):
            groups.setdefault(row.group, []).append(row)
        return groups

    def _next(self, key: GroupKey, rows: Sequence[Candidate]) -> Candidate:
        """Choose among a group's waiting rows, which are sorted by rank."""
        lane = rows[0].lane
        turns = self._turns.get((key, lane), LaneTurns())
        return turns.next([row for row in rows if row.lane is lane])

    def step(self, stream: int = 0) -> Sequence[UUID]:
        """Pick the rows of a stream's next UNet call and charge their group for it.

        The stream's call before is over: its rows can be picked again.
        """
        self.release(stream)
        ready = [key for key, group in self._groups.items() if group.idle]
        if not ready:
            return []
        key = min(ready, key=lambda key: self._groups[key].virtual_time)
        group = self._groups[key]
        self._virtual_time = min(group.virtual_time for group in self._groups.values())
        # At most the limit, as the group has no more than that for each stream.
        share = math.ceil(len(group.rows) / self.streams)
        rows = group.take(share)
        # Once for all of its rows, in however many calls.
        group.virtual_time += len(rows) / len(group.rows) / self._weight(key)
        self._calls[stream] = dict.fromkeys(rows, group)
        return rows

    def turn(self, identity: UUID, phase: int) -> None:
        """Say which phase an admitted row is in from now on; an unknown one is ignored."""
        key = self._group_of(identity)
        if key is not None:
            self._groups[key].phases[identity] = phase

    def release(self, stream: int) -> None:
        """End a stream's call: its rows can be picked by every stream."""
        for identity, group in self._calls[stream].items():
            group.idle[identity] = 0
        self._calls[stream] = {}

    def _weight(self, key: GroupKey) -> float:
        """Return a group's weight; those of rows that run alone share that of their most urgent."""
        group = self._groups[key]
        if key.alone is None:
            return group.weight
        sharing = [
            other.weight
            for (shape, alone), other in self._groups.items()
            if alone is not None and shape == key.shape
        ]
        return max(sharing) * group.weight / sum(sharing)

    def _has_place(self, group: Group | None) -> bool:
        return group is None or len(group.rows) < self.row_limit * self.streams

    def _group_of(self, identity: UUID) -> GroupKey | None:
        return next((key for key, group in self._groups.items() if identity in group.rows), None)

    def _close(self, key: GroupKey) -> None:
        """Forget a group without rows; whose turn it is, only where nobody waits for it either."""
        del self._groups[key]
        if not any(row.group == key for row in self._waiting.values()):
            for lane in Lane:
                self._turns.pop((key, lane), None)
