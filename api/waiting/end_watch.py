"""Requests that wait for jobs and batches to end: one question for all of them, again and again."""

import asyncio
from collections.abc import Collection
from uuid import UUID

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy import select, union_all
from sqlmodel import col

from core.db.arrays import among
from core.db.engine import DATABASE_ERRORS, Database
from core.db.models import Batch, Job
from core.domain.states import OPEN_JOB, BatchState
from core.errors import first_line

POLL_SECONDS = 0.25

log = structlog.get_logger("packshot.api")


class EndWatch:
    """Waits for jobs and batches to end; only its event loop's thread calls it.

    A request that waits is a future in memory. It holds neither a connection nor a thread: one
    thread asks for all of them what is still open, with a connection of that moment.
    """

    def __init__(self, database: Database) -> None:
        """Wait for nothing yet."""
        self._database = database
        self._thread = CapacityLimiter(1)
        self._waiting: dict[asyncio.Future[None], Collection[UUID]] = {}
        self._task: asyncio.Task[None] | None = None

    async def wait(self, ids: Collection[UUID], *, seconds: float) -> bool:
        """Wait until all have ended, however, or are gone; return False if they have not in time.

        Args:
            ids: Of jobs and batches.
            seconds: The longest that is waited.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = set(ids)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        finally:
            del self._waiting[future]
        return True

    async def _watch(self) -> None:
        while self._waiting:
            await self._look()
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> None:
        asked = dict(self._waiting)
        ids = set().union(*asked.values())
        try:
            open_ = await to_thread.run_sync(self._open, ids, limiter=self._thread)
        except DATABASE_ERRORS as error:
            # Who waits is told by the limit, if Postgres is not back before.
            log.warning("what requests wait for cannot be read", reason=first_line(error))
            return
        for future, wanted in asked.items():
            if not future.done() and open_.isdisjoint(wanted):
                future.set_result(None)

    def _open(self, ids: Collection[UUID]) -> set[UUID]:
        jobs = select(col(Job.id)).where(among(Job.id, ids), col(Job.state).in_(OPEN_JOB))
        batches = select(col(Batch.id)).where(
            among(Batch.id, ids),
            col(Batch.state) == BatchState.RUNNING,
            col(Batch.deleted_at).is_(None),
        )
        with self._database.reader() as session:
            return set(session.execute(union_all(jobs, batches)).scalars())
