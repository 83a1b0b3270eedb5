"""Who may have a sheet read now: a few places, shared fairly by tenant."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.turns.fair_turns import FairCounts, FairTurns
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
        self._here = FairCounts(queue)

    @contextmanager
    def admit(self, tenant: str) -> Iterator[None]:
        """Count a sheet as long as it is in the house.

        Raises:
            TooManySheetsError: The tenant has as many here as it may.
            BusyError: All tenants together have.
        """
        self._here.begin(
            tenant,
            own=TooManySheetsError(
                f"{self._here.share} of your sheets are being read or wait, which is the limit. "
                "Send this one again when one of them is done.",
                retry_after=RETRY_SECONDS,
            ),
            others=BusyError(
                f"{self._here.most} sheets are being read or wait, which is the limit "
                "(PACKSHOT_SHEET_QUEUE). Send this one again in a moment.",
                retry_after=RETRY_SECONDS,
            ),
        )
        try:
            yield
        finally:
            self._here.end(tenant)
