"""Rows of photographs: begun, stored, found, and taken away in steps.

A row is there before its object: whatever dies between two steps leaves no object without a row.
It begins without `stored_at`, gets that when S3 has the bytes, and `doomed_at` when somebody
deletes it or its time is over; then the object goes, and the row at last.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, update
from sqlmodel import Session, col

from core import idempotency
from core.db.arrays import among
from core.db.locks import take_advisory_lock
from core.db.models import Source
from core.errors import NotFoundError, SourcesFullError
from core.links import source_path

AT_ONCE = 1000
"""Rows that one transaction marks or deletes."""

ARRIVING = timedelta(hours=1)
"""How long the bytes of a row may be on their way, at most."""


def live() -> ColumnElement[bool]:
    """Match the photographs that are there."""
    return and_(col(Source.stored_at).is_not(None), col(Source.doomed_at).is_(None))


def find_source(session: Session, tenant: str, source_id: UUID) -> Source:
    """Find a photograph by its id.

    Raises:
        NotFoundError: There is none, it was deleted, or it is another tenant's.
    """
    of_tenant = select(Source).where(col(Source.tenant) == tenant, live())
    found: Source | None = session.execute(
        of_tenant.where(col(Source.id) == source_id)
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"There is no source {source_id} here. GET /v1/sources lists them.")
    return found


def list_sources(
    session: Session, tenant: str, *, digest: str | None, before: UUID | None, limit: int
) -> Sequence[Source]:
    """List a tenant's photographs, newest first.

    Args:
        session: To ask in.
        tenant: Whose.
        digest: Only of these bytes; None: any.
        before: Only older ones; None: from the newest on.
        limit: Most of them.
    """
    statement = select(Source).where(col(Source.tenant) == tenant, live())
    if digest is not None:
        statement = statement.where(col(Source.digest) == digest)
    if before is not None:
        statement = statement.where(col(Source.id) < before)
    statement = statement.order_by(col(Source.id).desc()).limit(limit)
    found: Sequence[Source] = session.execute(statement).scalars().all()
    return found


def begin(session: Session, source: Source, *, most_bytes: int) -> None:
    """Insert the row of a photograph whose object is stored next, if its tenant has room for it.

    Of two that come together the second one finds what the first has inserted.

    Args:
        session: An open transaction; others of the tenant wait until it ends.
        source: Its row.
        most_bytes: Of all photographs of its tenant, those on their way included; 0: no limit.

    Raises:
        SourcesFullError: naming the numbers.
    """
    if most_bytes:
        take_advisory_lock(session, f"source bytes {source.tenant}")
        there = held_bytes(session, source.tenant)
        if there + source.size > most_bytes:
            raise SourcesFullError(
                f"Your photographs may have {most_bytes:,} bytes together; they have {there:,} "
                f"and this one {source.size:,}. Delete some (DELETE /v1/sources/ID), or make it "
                "smaller.",
                limit=most_bytes,
                remaining=max(0, most_bytes - there),
            )
    session.add(source)


def held_bytes(session: Session, tenant: str) -> int:
    """Add up the bytes of a tenant's photographs, those on their way included."""
    held = select(func.coalesce(func.sum(col(Source.size)), 0)).where(
        col(Source.tenant) == tenant, col(Source.doomed_at).is_(None)
    )
    return int(session.execute(held).scalar_one())


def use(session: Session, *, tenant: str, digest: str) -> Source | None:
    """Return a tenant's photograph with these bytes, whose age counts from now; None: none."""
    return session.execute(
        update(Source)
        .where(col(Source.tenant) == tenant, col(Source.digest) == digest, live())
        .values(last_used_at=func.now())
        .returning(Source)
    ).scalar_one_or_none()


def use_some(session: Session, tenant: str, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the digests of those of these photographs that are there; their age counts from now.

    As near as an hour: rows that a sheet's transaction changes wait for its end.
    """
    if not ids:
        return {}
    of_tenant = (col(Source.tenant) == tenant, among(Source.id, ids), live())
    found = session.execute(select(col(Source.id), col(Source.digest)).where(*of_tenant)).all()
    aged = (
        select(col(Source.id))
        .where(*of_tenant, col(Source.last_used_at) < func.now() - timedelta(hours=1))
        .with_for_update(skip_locked=True)
    )
    session.execute(update(Source).where(col(Source.id).in_(aged)).values(last_used_at=func.now()))
    return dict(found)


def present(session: Session, tenant: str, digests: Collection[str]) -> set[str]:
    """Return those of these digests that a photograph of the tenant has."""
    if not digests:
        return set()
    found = session.execute(
        select(col(Source.id), col(Source.digest)).where(
            col(Source.tenant) == tenant, col(Source.digest) == func.any(list(digests)), live()
        )
    ).all()
    return set(use_some(session, tenant, [source_id for source_id, _ in found]).values())


def sizes(session: Session, tenant: str, digests: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return the width and height, in pixels, of those of these photographs that are there."""
    if not digests:
        return {}
    found = session.execute(
        select(col(Source.digest), col(Source.width), col(Source.height)).where(
            col(Source.tenant) == tenant, col(Source.digest) == func.any(list(digests)), live()
        )
    )
    return {digest: (width, height) for digest, width, height in found}


def note_cutout(session: Session, source_id: UUID, key: str) -> bool:
    """Note the object key of a photograph's cut-out; return whether the photograph is there."""
    noted = session.execute(
        update(Source)
        .where(col(Source.id) == source_id, live())
        .values(
            cutout_keys=case(
                (col(Source.cutout_keys).contains([key]), col(Source.cutout_keys)),
                else_=col(Source.cutout_keys).op("||")(func.jsonb_build_array(key)),
            )
        )
        .returning(col(Source.id))
    )
    return noted.first() is not None


def publish(session: Session, source: Source) -> Source | None:
    """Mark a photograph as found from now on: S3 has its object.

    Returns:
        It, or the one with the same bytes that came meanwhile: then this one is deleted. None: it
        was deleted before it was there.
    """
    # Two with the same bytes wait here for each other.
    take_advisory_lock(session, f"source {source.tenant} {source.digest}")
    other = use(session, tenant=source.tenant, digest=source.digest)
    published = session.execute(
        update(Source)
        .where(col(Source.id) == source.id)
        .values(
            stored_at=func.now(),
            doomed_at=func.coalesce(col(Source.doomed_at), func.now() if other else None),
        )
        .returning(Source)
    ).scalar_one_or_none()
    if other is not None:
        return other
    return published if published is not None and published.doomed_at is None else None


def mark(session: Session, *where: ColumnElement[bool]) -> int:
    """Delete the photographs that match, for everybody from the commit on; return how many."""
    marked = session.execute(
        update(Source)
        .where(col(Source.doomed_at).is_(None), *where)
        .values(doomed_at=func.now())
        .returning(col(Source.id))
    )
    ids = list(marked.scalars())
    idempotency.forget(session, [source_path(one) for one in ids])
    return len(ids)


def lose(session: Session, source_id: UUID) -> None:
    """Delete a photograph whose object is missing or damaged: sent again, it is stored anew."""
    mark(session, col(Source.id) == source_id)


def expire(session: Session, *, seconds: float) -> int:
    """Mark what nobody used for so many seconds, and what never arrived; at most `AT_ONCE`.

    Args:
        session: An open transaction.
        seconds: By Postgres's clock; 0: what arrived stays for ever.
    """
    over = [and_(col(Source.stored_at).is_(None), _is_late())]
    if seconds:
        over.append(col(Source.last_used_at) < func.now() - timedelta(seconds=seconds))
    marked = 0
    # One after the other: each has an index of its own.
    for condition in over:
        candidates = select(col(Source.id)).where(col(Source.doomed_at).is_(None), condition)
        found = session.execute(candidates.limit(AT_ONCE - marked)).scalars()
        # Asked again: what somebody uses at this moment stays.
        marked += mark(session, among(Source.id, list(found)), condition)
    return marked


def doomed(session: Session) -> Sequence[Source]:
    """Return marked photographs, at most `AT_ONCE`: delete their objects, then call `forget`."""
    statement = select(Source).where(
        col(Source.doomed_at).is_not(None),
        # The object of one that is on its way may be written yet.
        or_(col(Source.stored_at).is_not(None), _is_late()),
    )
    found: Sequence[Source] = (
        session.execute(statement.order_by(col(Source.created_at)).limit(AT_ONCE)).scalars().all()
    )
    return found


def forget(session: Session, ids: Collection[UUID]) -> None:
    """Delete the rows of marked photographs whose objects are gone."""
    session.execute(delete(Source).where(among(Source.id, ids), col(Source.doomed_at).is_not(None)))


def _is_late() -> ColumnElement[bool]:
    return col(Source.created_at) < func.now() - ARRIVING
