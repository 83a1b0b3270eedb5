"""What images leave for near prompts: gathered in memory, and written in batches."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from core.db.engine import Database
from core.db.models import ApproximateLatents
from core.lifecycle import approximation as rows
from core.lifecycle.approximation import LATENTS, NewEntry
from core.lifecycle.claims import Claim
from core.storage import STORAGE_ERRORS, Storage
from worker.approximate.blob import CONTENT_TYPE, digest_of

log = structlog.get_logger(__name__)

UNWRITTEN_BYTES = 64 * 2**20
"""Latents that wait to be written; more of them are dropped."""


@dataclass(frozen=True, kw_only=True)
class KeptLatents:
    """A computed image's latents on their way to S3."""

    claim: Claim
    embedding: NDArray[np.float32]
    bodies: Mapping[int, bytes]
    """By the number of steps."""

    @property
    def size(self) -> int:
        """Return the bytes of the latents."""
        return sum(map(len, self.bodies.values()))


class LatentsWriter:
    """Gathers what is to be written; any thread may call it."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage
        self._lock = threading.Lock()
        self._kept: deque[KeptLatents] = deque()
        self._hits: Counter[tuple[UUID, int]] = Counter()
        self._unusable: list[tuple[UUID, int]] = []

    def keep(self, kept: KeptLatents) -> None:
        """Write an image's latents at the next flush, unless too many wait already."""
        with self._lock:
            if sum(one.size for one in self._kept) + kept.size <= UNWRITTEN_BYTES:
                self._kept.append(kept)
                return
        log.warning("latents dropped: too many wait to be written")

    def count_hit(self, generation_id: UUID, step: int) -> None:
        """Count an image that began with these latents."""
        with self._lock:
            self._hits[generation_id, step] += 1

    def forget(self, generation_id: UUID, step: int) -> None:
        """Delete latents that turned out to be unusable."""
        with self._lock:
            self._unusable.append((generation_id, step))

    def flush(self) -> None:
        """Write what was learnt since the last call; what cannot be written now stays.

        Raises:
            SQLAlchemyError: Postgres is away.
            BotoCoreError: S3 is away.
            ClientError: S3 refuses.
        """
        with self._lock:
            kept, self._kept = list(self._kept), deque()
            hits, self._hits = self._hits, Counter()
            unusable, self._unusable = self._unusable, []
        if not (kept or hits or unusable):
            return
        try:
            # Objects first: a row always has its object, unless S3 lost it.
            entries = [self._store(one) for one in kept]
            with self._database.session() as session:
                rows.add_entries(session, entries)
                rows.count_hits(session, hits)
                gone = [key for one in unusable for key in rows.forget(session, *one)]
        except (SQLAlchemyError, *STORAGE_ERRORS):
            with self._lock:
                self._kept.extendleft(reversed(kept))
                self._hits += hits
                self._unusable += unusable
            raise
        if gone:
            self._storage.delete(gone)

    def _store(self, kept: KeptLatents) -> NewEntry:
        claim, latents = kept.claim, []
        for step, body in kept.bodies.items():
            key = f"{LATENTS}{claim.tenant}/{claim.generation_id}/{step:03d}.npy"
            self._storage.put(key, body, content_type=CONTENT_TYPE)
            latents.append(
                ApproximateLatents(
                    generation_id=claim.generation_id,
                    step=step,
                    key=key,
                    digest=digest_of(body),
                    size=len(body),
                )
            )
        return NewEntry(
            generation_id=claim.generation_id,
            tenant=claim.tenant,
            scope=str(claim.approximate_scope),
            bundle_revision=claim.bundle_revision,
            prompt=claim.spec.prompt,
            embedding=kept.embedding.tolist(),
            latents=latents,
        )
