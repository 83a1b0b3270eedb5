"""What one process has for the work of many tenants, shared fairly among them."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairCounts:
    """Counts what tenants have under way: so much altogether at most, and half of it for each.

    Of one that half is the whole.
    """

    def __init__(self, most: int) -> None:
        """Count nothing yet."""
        self.most = most
        self.share = max(1, most // 2)
        """Most that one tenant has."""
        self._here: Counter[str] = Counter()

    def begin(self, tenant: str, *, own: Exception, others: Exception) -> None:
        """Count one more of a tenant.

        Args:
            tenant: Whose.
            own: Raised where the tenant has its share.
            others: Raised where all tenants together have as many as there may be.
        """
        if self._here[tenant] >= self.share:
            raise own
        if self._here.total() >= self.most:
            raise others
        self._here[tenant] += 1

    def end(self, tenant: str) -> None:
        """Count one that was begun no more."""
        self._here -= Counter([tenant])  # forgets tenants that have none


class NoTurnError(Exception):
    """No place got free in time."""


class FairTurns:
    """Places that tenants take turns for, whatever each has waiting.

    None has more than half of the places, so others find one however long its work takes. Of one
    place that half is the whole.
    """

    def __init__(self, places: int) -> None:
        """Open so many places."""
        self._free = places
        self.share = max(1, places // 2)
        """Most that one tenant holds."""
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By tenant, whose turn is next first."""

    @asynccontextmanager
    async def place(self, tenant: str, *, patience: float | None = None) -> AsyncIterator[None]:
        """Wait for a place, and hold it.

        Args:
            tenant: Whose turn it takes.
            patience: How long to wait, in seconds; None: as long as it takes.

        Raises:
            NoTurnError: None got free in time.
        """
        try:
            async with asyncio.timeout(patience):
                await self._wait(tenant)
        except TimeoutError as error:
            raise NoTurnError from error
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
        self._held -= Counter([tenant])  # forgets tenants that have none
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
        return next((one for one in self._waiting if self._held[one] < self.share), None)

    def _forget(self, tenant: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(tenant)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[tenant]
