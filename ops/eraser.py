"""The eraser: takes what somebody deleted, and what is too old, out of Postgres and S3."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import structlog
from sqlmodel import Session

from core.db.engine import Database
from core.keys import prune_keys
from core.lifecycle import erasure, receipts
from core.lifecycle.cancellation import cancel_batch
from core.lifecycle.erasure import Portion
from core.page_sessions import prune_sessions
from core.settings import Settings
from core.sources import rows as source_rows
from core.storage import Storage
from core.webhooks.deliveries import NIL

log = structlog.get_logger(__name__)

PORTIONS = 50
"""Transactions of one kind that a pass makes: what is left over waits for the next pass."""


@dataclass(frozen=True, kw_only=True)
class RetentionLimits:
    """How long rows are kept; each in seconds, by Postgres's clock."""

    jobs: float
    """After the end of a batch, or of a job without one; 0: for ever."""
    generations: float
    """After the end of a computation that nothing needs any more."""
    keys: float
    """After a key was revoked or expired; 0: for ever."""
    sources: float
    """After a photograph was last sent or used; 0: for ever."""
    receipts: float
    """After an erasure; 0: for ever."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read them."""
        return cls(
            jobs=settings.job_retention_seconds,
            generations=settings.generation_retention_seconds,
            keys=settings.key_retention_seconds,
            sources=settings.source_retention_seconds,
            receipts=settings.erasure_receipt_retention_seconds,
        )


class Eraser:
    """Keeps the tables within their limits; any number of erasers may do so at once."""

    def __init__(self, *, database: Database, storage: Storage, limits: RetentionLimits) -> None:
        self._database = database
        self._storage = storage
        self._limits = limits
        self._after: UUID = NIL
        """The record of a computation that was looked at last."""

    def clean(self) -> None:
        """Make one pass.

        Raises:
            SQLAlchemyError: Postgres is away.
            BotoCoreError: S3 is away; latents that lost their rows are found again as orphans.
            ClientError: S3 refuses; the same.
        """
        self._repeat("deleted", self.erase_hidden)
        if self._limits.jobs:
            self._repeat("old", self._erase_old_batches)
            self._repeat("old", self._erase_old_jobs)
        self.prune_generations()
        self._expire_sources()
        self.collect_sources()
        with self._database.session() as session:
            receipts.settle(session)
            if self._limits.receipts:
                receipts.prune(session, seconds=self._limits.receipts)
            prune_sessions(session)
            if self._limits.keys:
                prune_keys(session, seconds=self._limits.keys)

    def _repeat(self, why: str, work: Callable[[], Portion]) -> None:
        jobs = batches = 0
        for _ in range(PORTIONS):
            portion = work()
            jobs, batches = jobs + portion.jobs, batches + portion.batches
            if not portion:
                break
        if jobs or batches:
            log.info("rows erased", why=why, batches=batches, jobs=jobs)

    def erase_hidden(self, tenant: str | None = None) -> Portion:
        """Erase a portion of what somebody deleted, with its images; None: of any tenant."""
        with self._database.session() as session:
            found = erasure.hidden_batches(session, tenant)
            portion = erasure.erase_batches(session, found, images=True)
            if found and not portion:
                # Somebody retried them while they were deleted.
                for batch_id in found:
                    cancel_batch(session, batch_id)
        self._storage.delete(portion.latents)
        return portion

    def _erase_old_batches(self) -> Portion:
        return self._erase(
            lambda session: erasure.old_batches(session, seconds=self._limits.jobs),
            erasure.erase_batches,
        )

    def _erase_old_jobs(self) -> Portion:
        return self._erase(
            lambda session: erasure.old_jobs(session, seconds=self._limits.jobs),
            erasure.erase_jobs,
        )

    def _erase(
        self,
        find: Callable[[Session], Collection[UUID]],
        erase: Callable[..., Portion],
    ) -> Portion:
        """Erase a portion of what is too old; its images have limits of their own."""
        with self._database.session() as session:
            portion = erase(session, find(session), images=False)
        self._storage.delete(portion.latents)
        return portion

    def _expire_sources(self) -> None:
        for _ in range(PORTIONS):
            with self._database.session() as session:
                marked = source_rows.expire(session, seconds=self._limits.sources)
            if marked < source_rows.AT_ONCE:
                return

    def collect_sources(self) -> None:
        """Delete the objects of photographs that were deleted, then their rows."""
        while True:
            with self._database.session() as session:
                gone = source_rows.doomed(session)
            if not gone:
                return
            # A row is kept until its object is gone: what a crash leaves, the next pass finds.
            self._storage.delete([key for one in gone for key in (one.key, *one.cutout_keys)])
            with self._database.session() as session:
                source_rows.forget(session, [one.id for one in gone])
            log.info("photographs deleted", sources=len(gone))

    def prune_generations(self) -> None:
        """Continue through the records of computations, and delete those that nothing needs.

        Some thousands in each pass: a million are gone through in hours.
        """
        with self._database.session() as session:
            last, deleted = erasure.prune_generations(
                session, after=self._after, seconds=self._limits.generations
            )
        self._after = last or NIL
        if deleted:
            log.info("records of computations deleted", generations=deleted)
