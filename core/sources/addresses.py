"""Rows of addresses: what each gave a tenant, and how long that is valid."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col

from core.db.models import FetchedAddress, Source
from core.db.models.columns import new_id
from core.domain.photograph_spec import is_address
from core.sources.rows import live, use_some


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


def find_photograph(session: Session, tenant: str, named: str) -> Source | None:
    """Find a photograph by what a spec calls it; None: it is not there any more.

    Args:
        session: To ask in.
        tenant: Whose.
        named: The SHA-256 of its bytes, or an address: then it is what that gave last.
    """
    statement = select(Source).where(col(Source.tenant) == tenant, live())
    if is_address(named):
        fetched = select(col(FetchedAddress.source_id)).where(_is(tenant, named))
        statement = statement.where(col(Source.id).in_(fetched))
    else:
        statement = statement.where(col(Source.digest) == named)
    found: Source | None = session.execute(statement).scalar_one_or_none()
    return found


def fresh(session: Session, tenant: str, urls: Collection[str]) -> dict[str, str]:
    """Return the digests of what addresses gave, of those that need not be asked again.

    Args:
        session: An open transaction.
        tenant: Whose.
        urls: In their plain form.
    """
    if not urls:
        return {}
    digests = {_digest(url): url for url in urls}
    found = session.execute(
        select(col(FetchedAddress.address_digest), col(Source.digest), col(Source.id))
        .join(Source, col(FetchedAddress.source_id) == col(Source.id))
        .where(
            col(FetchedAddress.tenant) == tenant,
            col(FetchedAddress.address_digest) == func.any(list(digests)),
            col(FetchedAddress.fresh_until) > func.now(),
            live(),
        )
    ).all()
    use_some(session, tenant, {source_id for _, _, source_id in found})
    return {digests[address]: digest for address, digest, _ in found}


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
