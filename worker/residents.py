"""The models in memory, and which of them goes: pure bookkeeping, without locks or clocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.loaded import LoadedModel

STAY_SECONDS = 30.0
"""How long a model stays in memory at least before it has to make room for another one."""

STAY_LOADS = 4
"""The same in multiples of what loading it took: at most a fifth of the time goes into turns."""


@dataclass(kw_only=True)
class Resident:
    """A model in memory."""

    model: LoadedModel
    size: int
    """Bytes."""
    loaded_at: float
    load_seconds: float
    used_at: float
    users: int = 0
    """Rows that are computed with it."""
    leaving: bool = False
    """Takes no more rows, to make room."""

    @property
    def revision(self) -> str:
        """Return its bundle's revision."""
        return self.model.revision


class Residents:
    """Models in memory, within a budget; a single one may take more."""

    def __init__(self, *, budget: int, idle_seconds: float, stay_seconds: float) -> None:
        """Create an empty set of models.

        Args:
            budget: Bytes of all of them together.
            idle_seconds: After which a model without rows is unloaded.
            stay_seconds: For which a model is in memory at least.
        """
        self._budget = budget
        self._idle_seconds = idle_seconds
        self._stay_seconds = stay_seconds
        self._residents: dict[str, Resident] = {}

    def __len__(self) -> int:
        return len(self._residents)

    def __iter__(self) -> Iterator[Resident]:
        return iter(self._residents.values())

    def __contains__(self, revision: object) -> bool:
        return revision in self._residents

    def __getitem__(self, revision: str) -> Resident:
        return self._residents[revision]

    def get(self, revision: str) -> Resident | None:
        """Return a model; None: it is not in memory."""
        return self._residents.get(revision)

    def add(self, one: Resident) -> None:
        """Add a model."""
        self._residents[one.revision] = one

    def remove(self, gone: Sequence[Resident]) -> None:
        """Drop models: their memory is free when nobody refers to them."""
        for one in gone:
            del self._residents[one.revision]

    @property
    def size(self) -> int:
        """Return the bytes of all of them."""
        return sum(one.size for one in self)

    def fits(self, size: int) -> bool:
        """Check whether there is room for another model."""
        return not self._residents or self.size + size <= self._budget

    def idle(self) -> list[Resident]:
        """List the models without rows, the least recently used first."""
        return sorted((one for one in self if not one.users), key=lambda one: one.used_at)

    def unused(self, now: float, *, default: str) -> list[Resident]:
        """List the models whose time without rows is over; the default one and the last stay."""
        if len(self) == 1:
            return []
        return [
            one
            for one in self.idle()
            if now - one.used_at > self._idle_seconds and one.revision != default
        ]

    def in_the_way(self, size: int | None, now: float) -> list[Resident]:
        """List what is unloaded to make room.

        Where that is not enough, the model that has been here for longest takes no more rows.

        Args:
            size: Of the next model; None: there is none, and only the budget is kept.
            now: Seconds.
        """
        needed = self.size + (size or 0) - self._budget
        gone: list[Resident] = []
        # A single one may be larger than the budget, as long as no other one is to come.
        for one in self.idle()[: len(self) - (size is None)]:
            if needed > 0 and (one.leaving or self._had_its_time(one, now)):
                gone.append(one)
                needed -= one.size
        busy = [one for one in self if one not in gone]
        self._choose_leaving(busy, now, crowded=size is not None and needed > 0)
        return gone

    def _choose_leaving(self, busy: Sequence[Resident], now: float, *, crowded: bool) -> None:
        """Have the oldest of those that work take no more rows, or all of them go on."""
        if not crowded:
            for one in busy:
                one.leaving = False
        elif busy and not any(one.leaving for one in busy):
            oldest = min(busy, key=lambda one: one.loaded_at)
            oldest.leaving = self._had_its_time(oldest, now)

    def _had_its_time(self, one: Resident, now: float) -> bool:
        return now - one.loaded_at >= max(self._stay_seconds, STAY_LOADS * one.load_seconds)
