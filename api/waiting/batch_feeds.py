"""What happens in batches, read once for all who listen."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import structlog
from anyio import CapacityLimiter, to_thread

from api.schemas.events import FinishedJob
from api.waiting.batch_progress import PAGE, BatchMoment, read_finished, read_progress
from api.waiting.snapshots import Snapshot
from core.db.engine import DATABASE_ERRORS, Database
from core.errors import first_line

POLL_SECONDS = 1.0
LEISURE = 10
"""The pause before the next look is so many times as long as the last look took, at least."""

log = structlog.get_logger("packshot.api")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at a batch has shown."""

    reading: BatchMoment | None
    """None: the batch was deleted."""
    since: Snapshot | None = None
    """The one of the look before; None: there was none."""
    finished: Sequence[FinishedJob] | None = None
    """What was finished since; None: that was not read, or is more than a page."""


@dataclass(kw_only=True)
class Feed:
    """A batch that somebody listens to."""

    batch_id: UUID
    listeners: int = 0
    look: Look | None = None
    """The last one."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def after(self, last: Look | None, *, seconds: float) -> Look | None:
        """Return the newest look, waiting for one if `last` is it; None: there is none in time."""
        if self.look is not last:
            return self.look
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return None
        return self.look

    def tell(self, look: Look) -> None:
        """Wake those who wait for a look."""
        self.look = look
        self._news.set()
        self._news = asyncio.Event()


class BatchFeeds:
    """Looks at batches while somebody listens; only its event loop's thread calls it.

    A batch has one task, however many listen. Threads and connections are those of a moment.
    """

    def __init__(self, database: Database) -> None:
        """Look at nothing yet."""
        self._database = database
        self._threads = CapacityLimiter(2)
        self._feeds: dict[UUID, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, batch_id: UUID) -> AsyncIterator[Feed]:
        """Yield the feed of a batch, which is looked at inside the block."""
        feed = self._feeds.get(batch_id)
        if feed is None:
            feed = self._feeds[batch_id] = Feed(batch_id=batch_id)
            task = asyncio.create_task(self._watch(feed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        feed.listeners += 1
        try:
            yield feed
        finally:
            feed.listeners -= 1
            if not feed.listeners:
                # Its task sees that nobody listens; who comes now begins another one.
                del self._feeds[batch_id]

    async def finished(
        self, batch_id: UUID, *, seen: Snapshot | None, now: Snapshot, after: int
    ) -> list[FinishedJob]:
        """Read a page of what was finished between two snapshots: see `read_finished`."""
        read = partial(self._read_finished, batch_id, seen=seen, now=now, after=after)
        return await to_thread.run_sync(read, limiter=self._threads)

    async def _watch(self, feed: Feed) -> None:
        while feed.listeners:
            began = time.monotonic()
            look = partial(self._look, feed.batch_id, feed.look)
            try:
                feed.tell(await to_thread.run_sync(look, limiter=self._threads))
            except DATABASE_ERRORS as error:
                # Listeners hear that they are connected, and the rest when Postgres is back.
                log.warning("a batch that is listened to cannot be read", reason=first_line(error))
            took = time.monotonic() - began
            await asyncio.sleep(max(POLL_SECONDS, LEISURE * took))

    def _look(self, batch_id: UUID, last: Look | None) -> Look:
        before = last.reading if last else None
        with self._database.reader() as session:
            reading = read_progress(session, batch_id)
            if reading is None or before is None:
                return Look(reading=reading)
            finished: Sequence[FinishedJob] = ()
            if reading.ends != before.ends:
                finished = read_finished(
                    session,
                    batch_id,
                    seen=before.snapshot,
                    now=reading.snapshot,
                    limit=PAGE + 1,
                )
        page = finished if len(finished) <= PAGE else None
        return Look(reading=reading, since=before.snapshot, finished=page)

    def _read_finished(
        self, batch_id: UUID, *, seen: Snapshot | None, now: Snapshot, after: int
    ) -> list[FinishedJob]:
        with self._database.reader() as session:
            return read_finished(session, batch_id, seen=seen, now=now, after=after)
