"""What leaves the approximate cache: the old, the least useful, and objects that nobody knows."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog

from core.cache_metrics import Level, Outcome, count
from core.db.engine import Database
from core.lifecycle import approximation as rows
from core.lifecycle.approximation import LATENTS
from core.storage import AT_ONCE, Storage

log = structlog.get_logger(__name__)

ORPHAN_AGE = timedelta(hours=1)
"""Objects are written shortly before their rows: one of this age will get none any more."""

ORPHAN_SECONDS = 3600.0
"""Between two looks through the bucket."""


class ApproximateJanitor:
    """Keeps the approximate cache within its budget; any number of janitors may do so at once."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        budget_bytes: int,
        ttl_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire it.

        Args:
            database: Where the rows are.
            storage: Where the latents are.
            budget_bytes: What all tenants' latents may take together.
            ttl_seconds: How old latents may become, by Postgres's clock.
            clock: Seconds that never go back, for the pauses between looks through the bucket.
        """
        self._database = database
        self._storage = storage
        self._budget_bytes = budget_bytes
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._look_at = self._clock()

    def clean(self) -> None:
        """Make one pass.

        Raises:
            SQLAlchemyError: Postgres is away.
            BotoCoreError: S3 is away; what has lost its row is found again as an orphan.
            ClientError: S3 refuses.
        """
        # Rows first: nothing that can still be found lacks its object.
        with self._database.session() as session:
            expired = rows.expire(session, seconds=self._ttl_seconds)
            evicted = rows.evict(session, budget=self._budget_bytes)
        count(Level.APPROXIMATE, Outcome.EXPIRY, number=len(expired))
        count(Level.APPROXIMATE, Outcome.EVICTION, number=len(evicted))
        if expired or evicted:
            log.info("latents deleted", expired=len(expired), evicted=len(evicted))
            self._storage.delete([*expired, *evicted])
        if self._clock() >= self._look_at:
            self.collect_orphans()
            self._look_at = self._clock() + ORPHAN_SECONDS

    def collect_orphans(self) -> int:
        """Delete objects without a row, and tell how many: a crash came between the two."""
        now = datetime.now(UTC)
        old = (key for key, written in self._storage.listed(LATENTS) if now - written > ORPHAN_AGE)
        orphans = 0
        while keys := list(islice(old, AT_ONCE)):
            with self._database.session() as session:
                known = rows.known_keys(session, keys)
            unknown = [key for key in keys if key not in known]
            self._storage.delete(unknown)
            orphans += len(unknown)
        if orphans:
            log.info("latents without a row deleted", objects=orphans)
        return orphans
