"""Uploads of photographs: how many are received at once, and the threads that store them."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.turns.downloads import RETRY_SECONDS, DownloadThreads
from api.turns.fair_turns import FairCounts
from core.errors import PackshotError

ALBUMS_AT_ONCE = 4
"""Uploads of many photographs at once, each of which may fill much of a disk."""


class TooManyUploadsError(PackshotError):
    """As many photographs are received from your tenant as may; send this one again in a moment."""

    code = "too_many_uploads"
    status = 429
    retry_helps = True


class UploadsBusyError(PackshotError):
    """Many photographs are being received; send this one again in a moment."""

    code = "uploads_busy"
    status = 503
    retry_helps = True


class Uploads:
    """What one process receives; only its event loop's thread calls it."""

    def __init__(self, most: int) -> None:
        """Receive nothing yet.

        Args:
            most: Uploads at the same time; half of them for each tenant.
        """
        self.threads = DownloadThreads(8)
        """Store what was received: S3 may hang, and others' requests do not wait for it."""
        self.masks = DownloadThreads(1)
        """Reads masks whose pixels have to be turned into ours: they take memory."""
        self._received = FairCounts(most)
        self._albums = FairCounts(ALBUMS_AT_ONCE)

    @contextmanager
    def receiving(self, tenant: str) -> Iterator[None]:
        """Count an upload of a tenant inside the block.

        Raises:
            TooManyUploadsError: The tenant sends as many as it may.
            UploadsBusyError: The process receives as many as it may.
        """
        with _counted(self._received, tenant):
            yield

    @contextmanager
    def receiving_many(self, tenant: str) -> Iterator[None]:
        """Count an upload of many photographs of a tenant inside the block.

        Raises:
            TooManyUploadsError: The tenant sends as many as it may.
            UploadsBusyError: The process receives as many as it may.
        """
        with _counted(self._albums, tenant):
            yield


@contextmanager
def _counted(counts: FairCounts, tenant: str) -> Iterator[None]:
    counts.begin(
        tenant,
        own=TooManyUploadsError(retry_after=RETRY_SECONDS),
        others=UploadsBusyError(retry_after=RETRY_SECONDS),
    )
    try:
        yield
    finally:
        counts.end(tenant)
