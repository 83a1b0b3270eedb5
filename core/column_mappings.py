"""What a tenant said of columns, remembered by the header of the sheets that it holds for."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from core.db.models import ColumnMapping
from core.db.models.columns import new_id

MOST = 200
"""Mappings of a tenant; those that were not used for the longest time go first."""


def find_mapping(session: Session, tenant: str, signature: str) -> ColumnMapping | None:
    """Return what a tenant said of sheets with this header; None: nothing."""
    statement = select(ColumnMapping).where(
        col(ColumnMapping.tenant) == tenant, col(ColumnMapping.signature) == signature
    )
    found: ColumnMapping | None = session.execute(statement).scalar_one_or_none()
    return found


def list_mappings(
    session: Session, tenant: str, *, signature: str | None, before: UUID | None, limit: int
) -> Sequence[ColumnMapping]:
    """Return a tenant's mappings, newest first, those that were made before `before`."""
    statement = select(ColumnMapping).where(col(ColumnMapping.tenant) == tenant)
    if signature is not None:
        statement = statement.where(col(ColumnMapping.signature) == signature)
    if before is not None:
        statement = statement.where(col(ColumnMapping.id) < before)
    found: Sequence[ColumnMapping] = (
        session.execute(statement.order_by(col(ColumnMapping.id).desc()).limit(limit))
        .scalars()
        .all()
    )
    return found


def remember_mapping(
    session: Session,
    tenant: str,
    signature: str,
    columns: Mapping[str, str],
    *,
    source: str | None,
    sheet: str,
) -> None:
    """Remember a mapping in the place of what was said of the same header before.

    Args:
        session: An open transaction.
        tenant: Whose it is.
        signature: Of the header.
        columns: The sheet's column by packshot's name of it; the empty text: none.
        source: Whose export the sheet was said to be; None: that was found out.
        sheet: What the sheet was called, for people.
    """
    values = {
        "columns": dict(columns),
        "source": source,
        "sheet": sheet,
        "last_used_at": func.now(),
    }
    statement = insert(ColumnMapping).values(
        id=new_id(), tenant=tenant, signature=signature, **values
    )
    session.execute(
        statement.on_conflict_do_update(index_elements=["tenant", "signature"], set_=values)
    )
    # What another request has in its hands is used now, and stays.
    unused = (
        select(col(ColumnMapping.id))
        .where(col(ColumnMapping.tenant) == tenant)
        .order_by(col(ColumnMapping.last_used_at).desc(), col(ColumnMapping.id).desc())
        .offset(MOST)
        .with_for_update(skip_locked=True)
    )
    session.execute(delete(ColumnMapping).where(col(ColumnMapping.id).in_(unused)))


def note_use(session: Session, tenant: str, signature: str, sheet: str) -> None:
    """Note that a sheet of this name was read by a mapping just now."""
    session.execute(
        update(ColumnMapping)
        .where(col(ColumnMapping.tenant) == tenant, col(ColumnMapping.signature) == signature)
        .values(last_used_at=func.now(), sheet=sheet)
    )


def forget_mapping(session: Session, tenant: str, mapping_id: UUID) -> bool:
    """Delete a mapping; say whether the tenant had it."""
    gone = session.execute(
        delete(ColumnMapping)
        .where(col(ColumnMapping.tenant) == tenant, col(ColumnMapping.id) == mapping_id)
        .returning(col(ColumnMapping.id))
    )
    return gone.first() is not None
