"""The inspector: reads what is stored, and finds what S3 damaged or lost before somebody asks."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, select
from sqlmodel import Session, col

from core.db.engine import Database
from core.db.models import Image, Rendition, Source
from core.errors import StoredObjectLostError
from core.lifecycle import renditions, retention
from core.sources import rows as sources
from core.storage import Storage
from core.webhooks.deliveries import NIL

log = structlog.get_logger(__name__)

ROWS = 100
"""Rows of a kind that a pass looks at, at most."""

SAMPLE, SMALLEST_SAMPLE = 20, 5
"""Newest images, or photographs, that are looked for when one is lost, and how few of them say
nothing."""

_LOSE: dict[type[Any], Callable[[Session, UUID], None]] = {
    Image: retention.lose,
    Rendition: renditions.lose,
    Source: sources.lose,
}
_BELIEVED: dict[type[Any], type[Any]] = {Image: Image, Rendition: Image, Source: Source}
"""Whose newest objects tell whether it is the right bucket, by what is lost."""
_STORED: dict[type[Any], Callable[[], ColumnElement[bool]]] = {
    Image: lambda: col(Image.doomed_at).is_(None),
    Source: sources.live,
}


class Inspector:
    """Goes through images, renditions and photographs, some in each pass, again and again."""

    def __init__(self, *, database: Database, storage: Storage, bytes_per_pass: int) -> None:
        self._database = database
        self._storage = storage
        self._bytes = bytes_per_pass
        self._after: dict[type[Any], UUID] = dict.fromkeys(_LOSE, NIL)

    def inspect(self) -> None:
        """Make one pass over each kind, with its share of the bytes; with none, no pass.

        Raises:
            SQLAlchemyError: Postgres is away.
            BotoCoreError: S3 is away: nothing is lost by that.
            ClientError: S3 refuses; the same.
        """
        for kind in _LOSE if self._bytes else ():
            self._inspect(kind)

    def _inspect(self, kind: type[Any]) -> None:
        lost = [(row, reason) for row in self._next(kind) if (reason := self._reason(row))]
        if not lost:
            return
        if self._is_another_bucket(_BELIEVED[kind]):
            log.error(
                "the newest objects are not in the bucket, so nothing was done: check "
                "PACKSHOT_S3_BUCKET and PACKSHOT_S3_ENDPOINT_URL",
                example=lost[0][1],
            )
            return
        for row, reason in lost:
            log.warning("a stored object is damaged or missing", reason=reason)
            with self._database.session() as session:
                _LOSE[kind](session, row.id)

    def _is_another_bucket(self, kind: type[Any]) -> bool:
        """Check whether most of the newest ones are missing: no accident does that to a bucket.

        Failing every job because of a wrong setting, or an older copy of the bucket, would.
        """
        newest = self._stored(kind).order_by(col(kind.id).desc()).limit(SAMPLE)
        with self._database.session() as session:
            rows = session.execute(newest).scalars().all()
        missing = 0
        for row in rows:
            try:
                self._storage.check_presence(row)
            except StoredObjectLostError:
                missing += 1
        return len(rows) >= SMALLEST_SAMPLE and 2 * missing > len(rows)

    def _stored(self, kind: type[Any]) -> Select[Any]:
        found = _STORED.get(kind)
        return select(kind).where(found()) if found else select(kind)

    def _next(self, kind: type[Any]) -> Sequence[Any]:
        """Choose the next rows, as many as the bytes of a pass allow."""
        statement = self._stored(kind).where(col(kind.id) > self._after[kind])
        with self._database.session() as session:
            found = session.execute(statement.order_by(col(kind.id)).limit(ROWS)).scalars().all()
        chosen: list[Any] = []
        left = self._bytes // len(_LOSE)
        for row in found:
            # One at least: whatever is larger than a pass is read, too.
            if chosen and row.size > left:
                break
            chosen.append(row)
            left -= row.size
        self._after[kind] = chosen[-1].id if chosen else NIL
        return chosen

    def _reason(self, row: Image | Rendition | Source) -> str | None:
        """Read an object in pieces; return what is wrong with it, if it stays wrong."""
        for _ in range(2):
            try:
                for _piece in self._storage.stream(row):
                    pass
            except StoredObjectLostError as error:
                reason = error.detail
            else:
                return None
        return reason
