"""Postgres connections that requests hold from one thread to the next.

A route runs in a thread, its answer is checked in another, and its transaction is committed in a
third; in between, the request holds a connection and waits for a thread. If such requests held all
connections, and the others held all threads to wait for one, nothing would ever go on. So a request
first takes one of fewer places than there are connections, on the event loop, where waiting needs
no thread. What begins and ends within one thread needs no place: some connections are left for it.
"""

from asyncio import Semaphore, timeout
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio import CancelScope, CapacityLimiter, to_thread
from sqlmodel import Session

from core.database import Database
from core.errors import ServiceDownError

LEFT = 2
"""Connections that no request holds between two threads."""
PATIENCE_SECONDS = 30.0
"""The longest that a request waits for its place."""


class Transactions:
    """Opens the transactions of one API process's requests."""

    def __init__(self, database: Database, *, connections: int) -> None:
        """Share out the places.

        Args:
            database: Whose connections they hold.
            connections: How many it has.
        """
        self._database = database
        self._places = Semaphore(max(1, connections - LEFT))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and keep it for as long as the block runs.

        Raises:
            ServiceDownError: None became free.
        """
        try:
            async with timeout(PATIENCE_SECONDS):
                await self._places.acquire()
        except TimeoutError as error:
            raise ServiceDownError(
                "The API has more requests than it can answer. Send it again later."
            ) from error
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        """Open the transaction of one request: one commit at its end, none on an error."""
        async with self.place():
            session = Session(self._database.engine, expire_on_commit=False)
            try:
                yield session
                await _in_a_thread_of_its_own(session.commit)
            except BaseException:
                await _in_a_thread_of_its_own(session.close)
                raise
            # Nothing is open any more: it needs no thread.
            session.close()


async def _in_a_thread_of_its_own(end: Callable[[], None]) -> None:
    """End a transaction without waiting for others' threads, and whatever is cancelled."""
    with CancelScope(shield=True):
        await to_thread.run_sync(end, limiter=CapacityLimiter(1))
