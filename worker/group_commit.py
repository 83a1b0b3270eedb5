"""One transaction for what many threads want at the same moment."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from sqlmodel import Session

from core.db.engine import DATABASE_ERRORS, Database

GATHER_SECONDS = 0.01
"""Little beside an image's seconds, and time for a busy worker to do the work of several."""

LONGEST_PAUSE_SECONDS = 0.32
"""Between two tries of an item whose row is locked: the first comes after `GATHER_SECONDS`, each
next one after twice as long."""


class Locked(Enum):
    """What an item waits for."""

    LOCKED = auto()
    """Another transaction has its row. Nobody else's items wait for that: it is in the next groups
    until that transaction ends."""


LOCKED = Locked.LOCKED

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(eq=False)
class _Entry(Generic[Item, Outcome]):
    item: Item
    future: "Future[Outcome | Locked]" = field(default_factory=Future)


class GroupCommit(Generic[Item, Outcome]):
    """Gathers what arrives while a transaction runs, and commits it all in the next one.

    A transaction costs about the same for one row as for forty. A thread that comes alone begins
    at once; where the last transaction had company, the next waits a moment for more of it (as
    Postgres's own `commit_delay` and `commit_siblings` do).
    """

    def __init__(
        self,
        database: Database,
        work: Callable[[Session, Sequence[Item]], Sequence[Outcome | Locked]],
    ) -> None:
        """Wire it.

        Args:
            database: Where.
            work: What one transaction does, without waiting for locks; gives one outcome per
                item, in their order: `LOCKED` for those that were left out.
        """
        self._database = database
        self._work = work
        self._gathering = threading.Lock()
        self._committing = threading.Lock()
        self._waiting: list[_Entry[Item, Outcome]] = []
        self._had_company = False

    def run(self, item: Item) -> Outcome:
        """Process one item; its work is committed when this returns.

        Raises:
            Exception: whatever the work raises for this item, alone; what Postgres raises when
                it is away, for all that shared the transaction.
        """
        pause_seconds = GATHER_SECONDS
        while isinstance(outcome := self._try(item), Locked):
            time.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
        return outcome

    def close(self) -> None:
        """Wait for the transaction under way and begin no other: whoever comes later waits.

        For ever: this is for a process that ends now.
        """
        self._committing.acquire()

    def _try(self, item: Item) -> Outcome | Locked:
        entry: _Entry[Item, Outcome] = _Entry(item)
        with self._gathering:
            self._waiting.append(entry)
        with self._committing:
            # Another thread may have done it, while this one waited for its turn.
            if not entry.future.done():
                self._lead()
        return entry.future.result()

    def _lead(self) -> None:
        if self._had_company:
            time.sleep(GATHER_SECONDS)
        with self._gathering:
            group, self._waiting = self._waiting, []
        self._had_company = len(group) > 1
        if not self._commit(group):
            for entry in group:
                self._commit([entry])

    def _commit(self, group: Sequence[_Entry[Item, Outcome]]) -> bool:
        """Commit and answer everybody, or tell that one of them broke it for the others."""
        try:
            with self._database.session() as session:
                outcomes = self._work(session, [entry.item for entry in group])
        except Exception as error:  # whatever the work raises
            if len(group) > 1 and not isinstance(error, DATABASE_ERRORS):
                return False
            for entry in group:
                entry.future.set_exception(error)
        else:
            for entry, outcome in zip(group, outcomes, strict=True):
                entry.future.set_result(outcome)
        return True
