"""Who may have a sheet read now: a few places, shared fairly by tenant."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from core.errors import BusyError, TooManySheetsError

RETRY_SECONDS = 10
"""When whoever was refused may ask again."""


class Places:
    """Places for sheets that are read at the same time, and the queue for them.

    Tenants take turns, whatever each has waiting. None has more than half of the places, so others
    find one however long its sheets take; none fills more than half of the queue.
    """

    def __init__(self, *, places: int, queue: int) -> None:
        """Open all places.

        Args:
            places: Sheets that are read at the same time, at least 2.
            queue: Sheets that are in the house at the same time: uploaded, waiting, or read.
        """
        self._free = places
        self._share = max(1, places // 2)
        self._queue = queue
        self._queue_share = max(1, queue // 2)
        self._here: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By tenant, whose turn is next first."""

    @contextmanager
    def admit(self, tenant: str) -> Iterator[None]:
        """Count a sheet as long as it is in the house.

        Raises:
            TooManySheetsError: The tenant has as many here as it may.
            BusyError: All tenants together have.
        """
        if self._here[tenant] >= self._queue_share:
            raise TooManySheetsError(
                f"{self._here[tenant]} of your sheets are being read or wait, which is the limit. "
                "Send this one again when one of them is done.",
                retry_after=RETRY_SECONDS,
            )
        if self._here.total() >= self._queue:
            raise BusyError(
                f"{self._queue} sheets are being read or wait, which is the limit "
                "(PACKSHOT_SHEET_QUEUE). Send this one again in a moment.",
                retry_after=RETRY_SECONDS,
            )
        self._here[tenant] += 1
        try:
            yield
        finally:
            _subtract(self._here, tenant)

    @asynccontextmanager
    async def place(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        await self._wait(tenant)
        try:
            yield
        finally:
            self._give_back(tenant)

    async def _wait(self, tenant: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(tenant)
            else:
                self._forget(tenant, turn)
            raise

    def _give_back(self, tenant: str) -> None:
        _subtract(self._held, tenant)
        self._free += 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self._free and (tenant := self._next()) is not None:
            turn = self._waiting[tenant][0]
            self._forget(tenant, turn)
            if tenant in self._waiting:
                self._waiting.move_to_end(tenant)
            if not turn.done():
                self._free -= 1
                self._held[tenant] += 1
                turn.set_result(None)

    def _next(self) -> str | None:
        return next((one for one in self._waiting if self._held[one] < self._share), None)

    def _forget(self, tenant: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(tenant)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[tenant]


def _subtract(counter: Counter[str], tenant: str) -> None:
    counter[tenant] -= 1
    if not counter[tenant]:
        del counter[tenant]
