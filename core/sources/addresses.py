"""Rows of addresses: what each gave a tenant, and how long that is valid."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col

from core.db.models import FetchedAddress, Source
from core.db.models.columns import new_id
from core.sources.rows import live


@dataclass(frozen=True, kw_only=True)
class CachedAddress:
    """What an address gave when it was last asked."""

    source: Source
    etag: str | None
    last_modified: str | None
    is_fresh: bool
    """Whether it need not be asked."""


def look_up(session: Session, tenant: str, address: str) -> CachedAddress | None:
    """Find what an address gave, whose photograph's age counts from now; None: nothing is left."""
    found = session.execute(
        select(
            Source,
            col(FetchedAddress.etag),
            col(FetchedAddress.last_modified),
            col(FetchedAddress.fresh_until) > func.now(),
        )
        .join(FetchedAddress, col(FetchedAddress.source_id) == col(Source.id))
        .where(_is(tenant, address), live())
    ).one_or_none()
    if found is None:
        return None
    source, etag, last_modified, is_fresh = found
    session.execute(
        update(Source).where(col(Source.id) == source.id).values(last_used_at=func.now())
    )
    return CachedAddress(source=source, etag=etag, last_modified=last_modified, is_fresh=is_fresh)


def record(
    session: Session,
    tenant: str,
    address: str,
    *,
    source_id: UUID,
    etag: str | None,
    last_modified: str | None,
    fresh_until: datetime,
) -> None:
    """Note what an address gave, in the place of what it gave before."""
    values = {
        "source_id": source_id,
        "etag": etag,
        "last_modified": last_modified,
        "fresh_until": fresh_until,
    }
    session.execute(
        upsert(FetchedAddress)
        .values(
            id=new_id(),
            tenant=tenant,
            address=address,
            address_digest=_digest(address),
            **values,
        )
        .on_conflict_do_update(index_elements=["tenant", "address_digest"], set_=values)
    )


def _is(tenant: str, address: str) -> ColumnElement[bool]:
    digest = _digest(address)
    return and_(col(FetchedAddress.tenant) == tenant, col(FetchedAddress.address_digest) == digest)


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()
