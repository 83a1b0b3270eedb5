"""A few places for the work of many tenants, shared fairly among them."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairTurns:
    """Places that tenants take turns for, whatever each has waiting.

    None has more than half of the places, so others find one however long its work takes. Of one
    place that half is the whole.
    """

    def __init__(self, places: int) -> None:
        """Open so many places."""
        self._free = places
        self._share = max(1, places // 2)
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By tenant, whose turn is next first."""

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
        return next((one for one in self._waiting if self._held[one] < self._share), None)

    def _forget(self, tenant: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(tenant)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[tenant]
