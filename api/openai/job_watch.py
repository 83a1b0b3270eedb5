"""Requests that wait for jobs: one question to Postgres for all of them, time after time."""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy import select
from sqlmodel import col

from api.openai.errors import TooManyWaitingError, WaitingRoomFullError
from api.turns.fair_turns import FairCounts
from core.db.arrays import among
from core.db.engine import DATABASE_ERRORS, Database
from core.db.models import Job
from core.domain.states import OPEN_JOB
from core.errors import first_line

POLL_SECONDS = 0.25
RETRY_SECONDS = 10

log = structlog.get_logger("packshot.api")


class JobWatch:
    """Waits for jobs to end; only its event loop's thread calls it.

    A request that waits is a future in memory. It holds neither a connection nor a thread: one
    thread asks for all of them which jobs are still open, with a connection of that moment.
    """

    def __init__(self, database: Database, most: int) -> None:
        """Wait for nothing yet.

        Args:
            database: Where jobs are.
            most: Requests that wait at the same time; half of them for each tenant.
        """
        self._database = database
        self._counts = FairCounts(most)
        self._thread = CapacityLimiter(1)
        self._waiting: dict[asyncio.Future[None], Collection[UUID]] = {}
        self._task: asyncio.Task[None] | None = None

    def begin(self, tenant: str) -> None:
        """Count a request of a tenant that is going to wait.

        Raises:
            TooManyWaitingError: The tenant has as many as it may.
            WaitingRoomFullError: The process has as many as it may.
        """
        self._counts.begin(
            tenant,
            own=TooManyWaitingError(retry_after=RETRY_SECONDS),
            others=WaitingRoomFullError(retry_after=RETRY_SECONDS),
        )

    def end(self, tenant: str) -> None:
        """Count one that was begun no more."""
        self._counts.end(tenant)

    async def wait(self, jobs: Sequence[UUID], *, seconds: float) -> bool:
        """Wait until jobs have ended, however, or are gone; return False if they have not in time.

        Args:
            jobs: Their ids.
            seconds: The longest that is waited.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = set(jobs)
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
            log.warning("jobs that requests wait for cannot be read", reason=first_line(error))
            return
        for future, jobs in asked.items():
            if not future.done() and open_.isdisjoint(jobs):
                future.set_result(None)

    def _open(self, ids: Collection[UUID]) -> set[UUID]:
        with self._database.reader() as session:
            statement = select(col(Job.id)).where(
                among(col(Job.id), ids), col(Job.state).in_(OPEN_JOB)
            )
            return set(session.execute(statement).scalars())
