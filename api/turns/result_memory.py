"""Bytes of finished images that this process remembers: in front of S3, and never without Postgres.

Reading an image begins with its job's row. So a purge, an eviction or an expiry counts from its
commit on, in every process, with nothing to tell them.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from core.cache_metrics import Level, hold
from core.db.engine import Database
from core.eviction import BoundedMap
from core.lifecycle import deduplication
from core.settings import Settings

LARGEST_SHARE = 8
"""An image that takes more than this part of the memory is not kept there."""
MOST_IMAGES = 10_000


class ResultMemory:
    """What one API process remembers; every method may be called by any thread."""

    def __init__(self, settings: Settings) -> None:
        size = settings.result_memory_bytes
        self.largest = size // LARGEST_SHARE
        """Bytes."""
        self._bodies: BoundedMap[UUID, bytes] = BoundedMap(
            policy=settings.cache_eviction,
            max_bytes=size,
            max_entries=MOST_IMAGES,
            ttl_seconds=settings.result_ttl_seconds or float("inf"),
        )
        self._lock = threading.Lock()
        self._uses: Counter[UUID] = Counter()

    def body(self, image_id: UUID) -> bytes | None:
        """Return an image's bytes; whoever asks has just read its row."""
        return self._bodies.get(image_id)

    def keep_body(self, image_id: UUID, body: bytes) -> None:
        """Cache an image's bytes, which never change."""
        if len(body) <= self.largest:
            self._bodies.put(image_id, body, size=len(body))

    def used(self, uses: Mapping[UUID, int]) -> None:
        """Count what answered requests, for the janitor's policy."""
        with self._lock:
            self._uses.update(uses)

    def flush(self, database: Database) -> None:
        """Write the uses to Postgres: one statement for seconds of requests, none for each.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: They are kept for the next call.
        """
        hold(Level.RESULT, size=self._bodies.size, entries=len(self._bodies))
        with self._lock:
            uses, self._uses = self._uses, Counter()
        try:
            with database.session() as session:
                deduplication.note_uses(session, uses)
        except BaseException:
            self.used(uses)
            raise
