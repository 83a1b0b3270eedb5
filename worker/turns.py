"""Turns at computing: who has had least goes next."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from core.domain.lanes import Lane

WEIGHT: Mapping[Lane, float] = {Lane.INTERACTIVE: 16.0, Lane.STANDARD: 4.0, Lane.BULK: 1.0}
"""Places in calls that a lane gets while a bulk one gets one, and calls of a group with such a row
while one with bulk rows only has one."""


class CallLimits(NamedTuple):
    """What a model's plan allows."""

    row_limit: int
    """Most rows that share a call."""
    streams: int
    """Most calls that run at the same time."""

    def within(self, images: int) -> "CallLimits":
        """Return the limits of rows of which so many may be in calls at the same time.

        Args:
            images: 1 or more.
        """
        streams = min(self.streams, images)
        return CallLimits(min(self.row_limit, images // streams), streams)


class GroupKey(NamedTuple):
    """What rows that can share a call have in common."""

    model: Hashable
    shape: Hashable
    alone: UUID | None
    """The row that the group is, where it shares no call."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What the scheduler knows of a row."""

    identity: UUID
    shape: Hashable
    """Rows with equal shapes can share a UNet call."""
    model: Hashable = None
    """Whose UNet that is: rows of several models share none."""
    limits: CallLimits | None = None
    """The model's; None: whatever the engine has."""
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
        return GroupKey(
            model=self.model, shape=self.shape, alone=self.identity if self.solo else None
        )

    @property
    def rank(self) -> tuple[float, float]:
        """Sort key of rows whose turns are equal: the more urgent first, then the older."""
        return (-WEIGHT[self.lane], self.arrived)


@dataclass(kw_only=True)
class Turns:
    """Whose turn it is: start-time fair queueing."""

    virtual_time: float = 0.0
    """Start tag of the last turn."""
    finish: dict[Hashable, float] = field(default_factory=dict)
    """Where each one's last turn ended, as far as that is still ahead."""

    def start(self, who: Hashable) -> float:
        """Return the start tag that somebody's next turn would have."""
        return max(self.virtual_time, self.finish.get(who, 0.0))

    def charge(self, who: Hashable, cost: float = 1.0) -> None:
        """Count a turn that somebody had."""
        self.virtual_time = self.start(who)
        self.finish[who] = self.virtual_time + cost
        # What lies behind is the same as never having been here.
        self.finish = {who: end for who, end in self.finish.items() if end > self.virtual_time}


@dataclass(kw_only=True)
class GroupTurns:
    """Whose row of a group is next: a lane's turn, in it a tenant's, in that a key's."""

    lanes: Turns = field(default_factory=Turns)
    tenants: dict[Lane, Turns] = field(default_factory=lambda: {lane: Turns() for lane in Lane})
    keys: dict[tuple[Lane, str], Turns] = field(default_factory=dict)
    """By lane and tenant, of those that have rows here."""

    def next(self, rows: Sequence[Candidate]) -> Candidate:
        """Choose among rows that are sorted by rank."""
        # Of equal ones the first is taken: the best rank.
        lane = min(rows, key=lambda row: self.lanes.start(row.lane)).lane
        rows = [row for row in rows if row.lane is lane]
        tenant = min(rows, key=lambda row: self.tenants[lane].start(row.tenant)).tenant
        keys = self.keys.get((lane, tenant), Turns())
        return min(
            (row for row in rows if row.tenant == tenant), key=lambda row: keys.start(row.key)
        )

    def charge(self, row: Candidate) -> None:
        """Count a place that a row got."""
        self.lanes.charge(row.lane, 1 / WEIGHT[row.lane])
        self.tenants[row.lane].charge(row.tenant)
        self.keys.setdefault((row.lane, row.tenant), Turns()).charge(row.key)

    def forget(self, gone: Candidate, rest: Collection[Candidate]) -> None:
        """Drop the turns among a tenant's keys with its last row."""
        if all((row.lane, row.tenant) != (gone.lane, gone.tenant) for row in rest):
            self.keys.pop((gone.lane, gone.tenant), None)
