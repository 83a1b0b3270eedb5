"""The janitor: takes from S3 and Postgres what is too old, too much, or nobody's."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice

import structlog
from sqlmodel import Session

from core.cache_metrics import Level, Outcome, count
from core.db.engine import Database
from core.lifecycle import retention
from core.lifecycle.retention import ImageLimits
from core.object_keys import IMAGES, RENDITIONS, generation_of
from core.settings import Settings
from core.storage import AT_ONCE, Storage

log = structlog.get_logger(__name__)

UNRECORDED = timedelta(hours=1)
"""A rendition without a row is left alone for so long: its row may be on the way. Clocks that
differ by less than this do no harm."""


def limits_of(settings: Settings) -> ImageLimits:
    """Read what the stored images are kept within."""
    return ImageLimits(
        ttl_seconds=settings.result_ttl_seconds,
        retention_seconds=settings.result_retention_seconds,
        max_bytes=settings.result_budget_bytes,
        max_images=settings.result_budget_images,
        policy=settings.cache_eviction,
    )


class Janitor:
    """Keeps the stored images within their limits; any number of janitors may do so at once."""

    def __init__(self, *, database: Database, storage: Storage, limits: ImageLimits) -> None:
        self._database = database
        self._storage = storage
        self._limits = limits
        self._listed: Iterator[tuple[str, datetime]] = iter(())

    def clean(self) -> None:
        """Make one pass.

        Raises:
            SQLAlchemyError: Postgres is away.
            BotoCoreError: S3 is away; what was marked is deleted by a later pass.
            ClientError: S3 refuses; the same.
        """
        self._mark(Outcome.EXPIRY, retention.expire)
        self._mark(Outcome.EVICTION, retention.evict)
        self.collect_marked()
        self.collect_orphans()

    def _mark(
        self, outcome: Outcome, choose: Callable[[Session, ImageLimits], Counter[str]]
    ) -> None:
        marked: Counter[str] = Counter()
        while True:
            with self._database.session() as session:
                found = choose(session, self._limits)
            marked += found
            if not found:
                break
        count(Level.RESULT, outcome, number=marked.total())
        if marked:
            log.info("images go", why=outcome.value, images=marked.total())

    def collect_marked(self) -> None:
        """Delete the objects of marked images, then their rows."""
        while True:
            with self._database.session() as session:
                marked = retention.doomed(session)
            if not marked:
                return
            # A row is kept until its object is gone: what a crash leaves, the next pass finds.
            objects = [one.key for one in marked if not one.shared]
            self._storage.delete([*objects, *(key for one in marked for key in one.renditions)])
            with self._database.session() as session:
                retention.forget(session, [one.image_id for one in marked])

    def collect_orphans(self) -> None:
        """Continue through the list of objects, and delete those that will never have a row.

        A page of S3's list in each pass: a million objects are gone through in hours.
        """
        page = list(islice(self._listed, AT_ONCE))
        if not page:
            self._listed = chain(self._storage.listed(IMAGES), self._storage.listed(RENDITIONS))
            return
        owners = {
            key: owner
            for key, written in page
            if (owner := generation_of(key)) and not _is_coming(key, written)
        }
        with self._database.session() as session:
            orphans = retention.orphans(session, owners)
        self._storage.delete(orphans)
        if orphans:
            log.info("objects without a row deleted", objects=len(orphans))


def _is_coming(key: str, written: datetime) -> bool:
    """Check whether an object may get its row yet: a rendition is made of work that is over."""
    return key.startswith(RENDITIONS) and written > datetime.now(UTC) - UNRECORDED
