"""Finished images that this process remembers: in front of Postgres and S3, and never without.

What is remembered only says where to look. Each answer still asks Postgres about the one row: the
statement that inserts the job names the image only while it may answer, by Postgres's clock
(`core.lifecycle.repeats`), and reading an image's bytes begins with its job's row. So a purge, an
eviction or an expiry counts from its commit on, in every process, with nothing to tell them.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from core.cache_stats import Level, hold
from core.db.engine import Database
from core.eviction import BoundedMap
from core.lifecycle import retention
from core.lifecycle.repeats import Known
from core.settings import Settings

LARGEST_SHARE = 8
"""An image that takes more than this part of the memory is not kept there."""


class ResultMemory:
    """What one API process remembers; every method may be called by any thread."""

    def __init__(self, settings: Settings) -> None:
        images, size = settings.result_memory_images, settings.result_memory_bytes
        policy = settings.cache_eviction
        self._ttl_seconds = settings.result_ttl_seconds or float("inf")
        self.largest = size // LARGEST_SHARE
        """Bytes."""
        self._known: BoundedMap[tuple[str, str], Known] = BoundedMap(
            policy=policy, max_bytes=images, max_entries=images, ttl_seconds=self._ttl_seconds
        )
        self._bodies: BoundedMap[UUID, bytes] = BoundedMap(
            policy=policy, max_bytes=size, max_entries=images, ttl_seconds=self._ttl_seconds
        )
        self._lock = threading.Lock()
        self._uses: Counter[UUID] = Counter()

    def find(self, tenant: str, fingerprint: str) -> Known | None:
        """Tell which image answered a fingerprint of this tenant last."""
        return self._known.get((tenant, fingerprint))

    def learn(self, tenant: str, fingerprint: str, known: Known) -> None:
        """Remember which image answers a fingerprint of this tenant."""
        self._known.put((tenant, fingerprint), known, size=1)

    def unlearn(self, tenant: str, fingerprint: str) -> None:
        """Forget what turned out to be no longer so."""
        self._known.discard((tenant, fingerprint))

    def body(self, image_id: UUID) -> bytes | None:
        """Give an image's bytes; whoever asks has just read its row."""
        return self._bodies.get(image_id)

    def keep_body(self, image_id: UUID, body: bytes) -> None:
        """Remember an image's bytes, which never change."""
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
                retention.note_uses(session, uses)
        except BaseException:
            self.used(uses)
            raise
