"""Photographs over HTTP: as JSON, and their bytes."""

import logging
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote
from uuid import UUID

from sqlmodel import Session

from api.schemas.sources import SourceLinks, SourcePage, SourceView
from api.services import Services
from api.turns.downloads import Opened
from api.views.cursors import read_cursor, write_cursor
from api.views.images import WHOLE_BYTES, GoneError, break_if_damaged
from core.db.models import Source
from core.errors import StoredObjectLostError
from core.links import source_path
from core.sources import rows

logger = logging.getLogger("packshot.api")


def view_source(source: Source) -> SourceView:
    """Write one photograph."""
    path = source_path(source.id)
    return SourceView(
        **source.model_dump(include=set(SourceView.model_fields)),
        links=SourceLinks(self=path, content=f"{path}/content"),
    )


def view_sources(
    session: Session, tenant: str, *, digest: str | None, cursor: str | None, limit: int
) -> SourcePage:
    """Return one page of a tenant's photographs, newest first."""
    before = read_cursor(cursor, UUID)
    found = rows.list_sources(session, tenant, digest=digest, before=before, limit=limit + 1)
    page = found[:limit]
    return SourcePage(
        items=[view_source(one) for one in page],
        next=write_cursor(page[-1].id) if len(found) > limit else None,
    )


def file_headers(source: Source) -> Mapping[str, str]:
    """Return what is said of its bytes, beside their length."""
    name = source.file_name or f"{source.id}.{source.key.rpartition('.')[2]}"
    return {
        "ETag": f'"{source.digest}"',
        # Private: what is behind a key belongs in no shared cache.
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Type": source.content_type,
        "Content-Length": str(source.size),
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name, safe='')}",
        # A stranger's file: no browser may take it for something else.
        "X-Content-Type-Options": "nosniff",
    }


def open_source(services: Services, source: Source) -> Opened:
    """Open a photograph's bytes in S3. Hold no session meanwhile.

    A large one is sent while it is read: should it turn out to be damaged, the connection breaks
    before its end.

    Raises:
        GoneError: S3 does not have it, or has it damaged.
    """
    headers = file_headers(source)
    lost = partial(_gone, services, source)
    try:
        if source.size <= WHOLE_BYTES:
            return Opened(headers=headers, body=services.storage.read(source))
        stream = services.storage.stream(source)
    except StoredObjectLostError as error:
        raise lost(error) from error
    chunks = break_if_damaged(services.storage, source, stream, lost)
    return Opened(headers=headers, chunks=chunks)


def _gone(services: Services, source: Source, error: StoredObjectLostError) -> GoneError:
    """Delete a photograph that S3 lost, so that it can be sent again; make the answer."""
    logger.warning("Source %s is found no more: %s", source.id, error.detail)
    services.sources.lose(source.id)
    return GoneError(
        "The photograph is not in store any more: its object is missing or damaged. Send it again."
    )
