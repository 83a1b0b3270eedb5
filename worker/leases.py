"""The leases of one worker process: renewed while it makes progress, given up when lost."""

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

import structlog

from core.db.engine import Database
from core.errors import first_line
from core.lifecycle import holds
from core.lifecycle.claims import Claim

log = structlog.get_logger(__name__)


class RowProgress(Protocol):
    """What the leases need of the engine."""

    @property
    def ticks(self) -> int:
        """Grows as long as the engine is alive and has work."""

    @property
    def computing(self) -> bool:
        """Whether a model call is in progress that may still take its time."""

    def cancel(self, identity: UUID) -> None:
        """Take a row out before its next step."""


class Lease:
    """One claim that a thread of this process works on."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.computed = False
        """Its image is being stored: it no longer needs the engine's progress to be renewed."""
        self.lost = False
        """Somebody cancelled it, or another worker has it."""


class Leases:
    """Every lease of this process, and the thread that looks after them."""

    def __init__(
        self,
        *,
        database: Database,
        engine: RowProgress,
        owner: str,
        lease_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self.owner = owner
        self.lease_seconds = lease_seconds
        self._database = database
        self._engine = engine
        self._heartbeat_seconds = heartbeat_seconds
        self._lock = threading.Lock()
        self._leases: dict[UUID, Lease] = {}
        self._renewed_at = float("-inf")
        self._renewed_ticks = -1
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; the leases stay as they are."""
        self._stopped.set()
        self._thread.join()

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[Lease | None]:
        """Look after a claim while the block runs.

        Gives None when a thread of this process still works on the same generation under a claim
        that it lost: the engine cannot have one generation twice.
        """
        lease = Lease(claim)
        with self._lock:
            fresh = self._leases.setdefault(claim.generation_id, lease) is lease
        try:
            yield lease if fresh else None
        finally:
            if fresh:
                with self._lock:
                    del self._leases[claim.generation_id]

    def beat(self) -> None:
        """Look once: cancel what is lost, renew what is due."""
        leases = self._snapshot()
        if not leases:
            return
        due = time.monotonic() - self._renewed_at >= self.lease_seconds / 4
        # A hung engine must not hold its images for ever: no progress, no renewal. A healthy call
        # may take longer than a lease; one that takes too long ends with the process.
        computing, ticks = self._engine.computing, self._engine.ticks
        progress = computing or ticks != self._renewed_ticks
        renewed = {lease.claim.generation_id for lease in leases if progress or lease.computed}
        attempts, extended = self._ask(leases, renewed if due else ())
        # What another transaction was changing is due again at the next beat.
        complete = extended >= attempts.keys() & renewed
        if due and progress and complete:
            self._renewed_at, self._renewed_ticks = time.monotonic(), ticks
        for lease in leases:
            if attempts.get(lease.claim.generation_id) != lease.claim.attempt:
                self._lose(lease)

    def _ask(
        self, leases: Sequence[Lease], renewed: Collection[UUID]
    ) -> tuple[Mapping[UUID, int], AbstractSet[UUID]]:
        """Ask which leases hold, under which attempts, and renew some; return those that were."""
        ids = [lease.claim.generation_id for lease in leases]
        with self._database.session() as session:
            attempts = holds.held(session, self.owner, ids)
            if not renewed:
                return attempts, set()
            extended = holds.renew(session, self.owner, renewed, lease_seconds=self.lease_seconds)
            return attempts, set(extended)

    def _snapshot(self) -> list[Lease]:
        with self._lock:
            return list(self._leases.values())

    def _lose(self, lease: Lease) -> None:
        identity = lease.claim.generation_id
        with self._lock:
            # A thread that just finished needs no cancelling; its row may be another's already.
            if self._leases.get(identity) is not lease:
                return
            lease.lost = True
        # At every beat until its thread is done: a row on its way into the engine is not found.
        self._engine.cancel(identity)

    def _run(self) -> None:
        silent = False
        while not self._stopped.wait(self._heartbeat_seconds):
            try:
                self.beat()
                silent = False
            except Exception as error:  # Postgres is away, in whatever way: go on when it is back
                if not silent:
                    log.warning("leases cannot be renewed", reason=first_line(error))
                silent = True
