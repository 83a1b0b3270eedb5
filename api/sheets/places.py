"""Who may have a sheet read now: a few places, shared fairly by tenant."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from api.fair_turns import FairTurns
from core.errors import BusyError, TooManySheetsError

RETRY_SECONDS = 10
"""When whoever was refused may ask again."""


class Places(FairTurns):
    """Places for sheets that are read at the same time, and the queue for them.

    No tenant fills more than half of the queue.
    """

    def __init__(self, *, places: int, queue: int) -> None:
        """Open all places.

        Args:
            places: Sheets that are read at the same time, at least 2.
            queue: Sheets that are in the house at the same time: uploaded, waiting, or read.
        """
        super().__init__(places)
        self._queue = queue
        self._queue_share = max(1, queue // 2)
        self._here: Counter[str] = Counter()

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
            self._here -= Counter([tenant])  # forgets tenants that have none
