"""How many requests wait in one process at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.turns.fair_turns import FairCounts
from core.errors import PackshotError

RETRY_SECONDS = 10


class TooManyWaitingError(PackshotError):
    """As many of your requests wait for images as may; send this one again in a moment."""

    code = "too_many_waiting"
    status = 429
    retry_helps = True


class WaitingRoomFullError(PackshotError):
    """As many requests wait for images as may; send this one again in a moment."""

    code = "waiting_room_full"
    status = 503
    retry_helps = True


class WaitingLimit:
    """Counts requests that wait; only its event loop's thread calls it."""

    def __init__(self, most: int) -> None:
        """Count nothing yet.

        Args:
            most: Requests that wait at the same time; half of them for each tenant.
        """
        self._counts = FairCounts(most)

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

    @contextmanager
    def counted(self, tenant: str) -> Iterator[None]:
        """Count a request of a tenant while it waits inside the block.

        Raises:
            TooManyWaitingError: The tenant has as many as it may.
            WaitingRoomFullError: The process has as many as it may.
        """
        self.begin(tenant)
        try:
            yield
        finally:
            self.end(tenant)
