"""What the caches of this process did: counted in memory, written to Postgres in batches.

Counting costs a microsecond and touches nothing outside the process; `core.cache_ledger` writes
what was counted every few seconds, so that `GET /v1/stats` adds up every process.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

EVERYBODY = ""
"""The tenant of what belongs to none in particular."""


class Level(StrEnum):
    """The caches, from the one that saves most."""

    RESULT = "result"
    """A finished image answers a request."""
    IN_FLIGHT = "in_flight"
    """A request joins work that runs already."""
    EMBEDDING = "embedding"
    """A text is not encoded again."""
    APPROXIMATE = "approximate"
    """An image starts from the latents of a near one."""
    FEATURES = "features"
    """A step takes deep features of the UNet from an earlier step."""


class Outcome(StrEnum):
    """What can happen to an entry or a look-up."""

    HIT = "hit"
    """Found, and used."""
    MISS = "miss"
    """Looked for, and not there."""
    SKIP = "skip"
    """Not looked for, because it was thought hopeless, or because the request wanted none."""
    FALLBACK = "fallback"
    """Found but unusable (missing in S3, damaged, foreign): computed as if there were none."""
    EVICTION = "eviction"
    """Removed to keep a budget."""
    EXPIRY = "expiry"
    """Removed because its time was over."""
    PURGE = "purge"
    """Removed because somebody asked for it."""


@dataclass(kw_only=True)
class Amount:
    """How often, and what it saved."""

    number: int = 0
    steps_saved: float = 0.0
    """UNet steps, of one image each."""
    seconds_saved: float = 0.0
    """Of computing, by the time that the original took."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a cache in this process's memory holds at the moment."""

    size: int
    """Bytes."""
    entries: int


Key = tuple[str, Level, Outcome]
"""Tenant, level and outcome."""


class Counters:
    """Counts of one process; every method may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._amounts: dict[Key, Amount] = {}
        self._holdings: dict[Level, Holding] = {}

    def count(
        self,
        level: Level,
        outcome: Outcome,
        *,
        tenant: str = EVERYBODY,
        number: int = 1,
        steps_saved: float = 0.0,
        seconds_saved: float = 0.0,
    ) -> None:
        """Add to a count.

        Args:
            level: Which cache.
            outcome: What happened.
            tenant: Whose request it was; whoever it belongs to sees it in `GET /v1/stats`.
            number: How often; 0 where only what an earlier count saved is known now.
            steps_saved: UNet steps that need not be computed for it.
            seconds_saved: Seconds of computing that it saved, as far as known.
        """
        if not (number or steps_saved or seconds_saved):
            return
        with self._lock:
            amount = self._amounts.setdefault((tenant, level, outcome), Amount())
            amount.number += number
            amount.steps_saved += steps_saved
            amount.seconds_saved += seconds_saved

    def hold(self, level: Level, *, size: int, entries: int) -> None:
        """Note how many bytes and entries a cache in memory holds now."""
        with self._lock:
            self._holdings[level] = Holding(size=size, entries=entries)

    def take(self) -> Mapping[Key, Amount]:
        """Give what was counted since the last call, and begin anew."""
        with self._lock:
            taken, self._amounts = self._amounts, {}
        return taken

    def put_back(self, amounts: Mapping[Key, Amount]) -> None:
        """Add what was taken and could not be written."""
        for (tenant, level, outcome), amount in amounts.items():
            self.count(
                level,
                outcome,
                tenant=tenant,
                number=amount.number,
                steps_saved=amount.steps_saved,
                seconds_saved=amount.seconds_saved,
            )

    def holdings(self) -> Mapping[Level, Holding]:
        """Give what each cache in memory holds."""
        with self._lock:
            return dict(self._holdings)


COUNTERS = Counters()
"""Those of this process, as a metrics library has them: one place for everybody to count in."""

count = COUNTERS.count
hold = COUNTERS.hold
