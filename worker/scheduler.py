"""Which rows share the next UNet call: pure bookkeeping.

No clock, no model, no queue: the engine says which rows are there and what happened to them, and
asks which ones step next. Every row that is there may be in any call, so nobody waits for another
row's end: what is more urgent steps at the next call, and who had to stand back goes on later.

*Which group steps* is answered by stride scheduling (Waldspurger and Weihl, 1995): rows of one
shape form a group and step together; each group advances its own virtual time by the inverse of its
weight, and the least advanced steps. Rows that run alone are each a group, but those of one shape
have one group's weight together: however many retries there are, they leave the others half of the
calls.

*Which of its rows* is answered by start-time fair queueing (Goyal, Vin and Cheng, 1996), for one
place of the call after another: each place that somebody gets moves its tag on, the lowest tag is
next, and who comes anew starts at the tag of the last place. First among the lanes, whose tags move
by the inverse of their weight; in a lane among its tenants; in a tenant's turns among its keys. A
key's rows follow each other by age. So another tenant's thousand rows, or its rows of a thousand
steps, take every second place beside a newcomer's, and the lightest lane always has its share.

Where several streams step at the same time, a group's rows are shared out among them anew at each
call: a stream takes at most its even share of the rows that no other stream has.

Rows of several models are never in one group: a model is a part of the key, so models take turns as
sizes do. A model's plan may allow fewer rows in a call, or fewer calls at the same time, than the
engine has; its groups then stand back while so many of its calls run.

Where features are kept between steps, a row is in a *phase*: the index of the UNet's variant that
its next step runs. Only rows of one phase share a call: those that are in the phase of the row
whose turn is first. The others wait for it, and so they meet and stay together.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from worker.turns import WEIGHT, CallLimits, Candidate, GroupKey, GroupTurns


@dataclass(kw_only=True)
class Group:
    """Rows that may share a call."""

    virtual_time: float
    limits: CallLimits
    rows: dict[UUID, Candidate] = field(default_factory=dict)
    idle: dict[UUID, Candidate] = field(default_factory=dict)
    """Those in no stream's call."""
    phases: dict[UUID, int] = field(default_factory=dict)
    """Of those that are not in phase 0."""
    turns: GroupTurns = field(default_factory=GroupTurns)

    @property
    def weight(self) -> float:
        """Return the weight of its most urgent row."""
        return max(WEIGHT[row.lane] for row in self.rows.values())

    def phase(self, row: Candidate) -> int:
        """Return a row's phase."""
        return self.phases.get(row.identity, 0)

    def take(self, share: int) -> list[UUID]:
        """Take idle rows for a call, all of one phase, at most `share`."""
        ranked = sorted(self.idle.values(), key=lambda row: row.rank)
        phase = self.phase(self.turns.next(ranked))
        ranked = [row for row in ranked if self.phase(row) == phase]
        taken: list[UUID] = []
        while ranked and len(taken) < share:
            row = self.turns.next(ranked)
            ranked.remove(row)
            self.turns.charge(row)
            del self.idle[row.identity]
            taken.append(row.identity)
        return taken

    def remove(self, identity: UUID) -> None:
        """Remove a row."""
        gone = self.rows.pop(identity)
        self.idle.pop(identity, None)
        self.phases.pop(identity, None)
        self.turns.forget(gone, self.rows.values())


class RowScheduler:
    """Chooses the rows of each stream's next call among all that are there."""

    def __init__(self, *, row_limit: int, streams: int = 1) -> None:
        if row_limit < 1:
            raise ValueError(f"row_limit is {row_limit}; it must be 1 or more")
        if streams < 1:
            raise ValueError(f"streams is {streams}; it must be 1 or more")
        self.row_limit = row_limit
        self.streams = streams
        self._groups: dict[GroupKey, Group] = {}
        self._keys: dict[UUID, GroupKey] = {}
        self._calls: dict[int, dict[UUID, Group]] = {stream: {} for stream in range(streams)}
        self._models: dict[int, Hashable] = {}
        """Whose call each stream runs."""
        self._virtual_time = 0.0

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def ready(self) -> bool:
        """Return whether a stream without a call would find rows for one."""
        return bool(self._ready())

    def busy(self, identity: UUID) -> bool:
        """Check whether a row is in a stream's call."""
        return any(identity in call for call in self._calls.values())

    def add(self, row: Candidate) -> None:
        """Add a row."""
        if row.identity in self._keys:
            raise ValueError(f"row {row.identity} is here already")
        self._keys[row.identity] = row.group
        # A new group starts level with the others: it cannot catch up on the past.
        group = self._groups.setdefault(
            row.group, Group(virtual_time=self._virtual_time, limits=self._limits(row))
        )
        group.rows[row.identity] = group.idle[row.identity] = row

    def remove(self, identity: UUID) -> bool:
        """Remove a row; return whether it was here."""
        key = self._keys.pop(identity, None)
        if key is None:
            return False
        group = self._groups[key]
        group.remove(identity)
        # Its stream must not give it back: a row of the same name may have come since.
        for call in self._calls.values():
            call.pop(identity, None)
        if not group.rows:
            del self._groups[key]
        return True

    def step(self, stream: int = 0) -> Sequence[UUID]:
        """Pick the rows of a stream's next UNet call and charge their group for it.

        The stream's call before is over: its rows can be picked again.
        """
        self.release(stream)
        ready = self._ready()
        if not ready:
            return []
        key = min(ready, key=self._order)
        group = self._groups[key]
        self._virtual_time = min(group.virtual_time for group in self._groups.values())
        limits = group.limits
        rows = group.take(min(limits.row_limit, math.ceil(len(group.rows) / limits.streams)))
        # Once for a full call of each stream, or for all of its rows where they are fewer.
        round_of = min(len(group.rows), limits.row_limit * limits.streams)
        group.virtual_time += len(rows) / round_of / self._weight(key)
        self._calls[stream] = dict.fromkeys(rows, group)
        self._models[stream] = key.model
        return rows

    def set_phase(self, identity: UUID, phase: int) -> None:
        """Set the phase of a row; an unknown one is ignored."""
        key = self._keys.get(identity)
        if key is not None:
            self._groups[key].phases[identity] = phase

    def release(self, stream: int) -> None:
        """End a stream's call: its rows can be picked by every stream."""
        for identity, group in self._calls[stream].items():
            group.idle[identity] = group.rows[identity]
        self._calls[stream] = {}
        self._models.pop(stream, None)

    def _limits(self, row: Candidate) -> CallLimits:
        own = CallLimits(self.row_limit, self.streams)
        return CallLimits(*map(min, own, row.limits)) if row.limits else own

    def _ready(self) -> list[GroupKey]:
        """List the groups that have rows for a call, of models that may run another one."""
        running = Counter(self._models.values())
        return [
            key
            for key, group in self._groups.items()
            if group.idle and running[key.model] < group.limits.streams
        ]

    def _order(self, key: GroupKey) -> tuple[float, float]:
        """Return the sort key of a group: the least advanced first, then the more urgent."""
        group = self._groups[key]
        return group.virtual_time, -group.weight

    def _weight(self, key: GroupKey) -> float:
        """Return a group's weight; those of rows that run alone share that of their most urgent."""
        group = self._groups[key]
        if key.alone is None:
            return group.weight
        sharing = [
            other.weight
            for other_key, other in self._groups.items()
            if other_key.alone is not None and other_key[:2] == key[:2]
        ]
        return max(sharing) * group.weight / sum(sharing)
