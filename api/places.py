"""How many requests may hold a Postgres connection while they wait for a thread.

A request with an `Idempotency-Key` holds one from before its route until its answer is known, and
needs several threads on the way. If such requests held all connections, and others held all threads
to wait for one, nothing would ever go on. So each first takes one of fewer places than there are
connections, on the event loop, where waiting needs no thread. All others hold a connection within
one thread only (`api.routing`), and need no place.
"""

from asyncio import Semaphore, timeout
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.errors import ServiceDownError

LEFT = 2
"""Connections that no request holds between two threads."""
PATIENCE_SECONDS = 30.0
"""The longest that a request waits for its place."""


class Places:
    """The places of one API process."""

    def __init__(self, *, connections: int) -> None:
        """Share them out.

        Args:
            connections: How many the process has.
        """
        self._free = Semaphore(max(1, connections - LEFT))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and keep it for as long as the block runs.

        Raises:
            ServiceDownError: None became free.
        """
        try:
            async with timeout(PATIENCE_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise ServiceDownError(
                "The API has more requests than it can answer. Send it again later."
            ) from error
        try:
            yield
        finally:
            self._free.release()
