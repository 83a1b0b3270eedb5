"""Receipts of erasures: written with them, read again later, settled when nothing is left."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Batch, ErasureRecord, Image, Source
from core.errors import NotFoundError
from core.lifecycle.erasure_counts import ErasureCounts

AT_ONCE = 1000
"""Receipts that one transaction settles or deletes."""


def write(
    session: Session,
    *,
    tenant: str,
    erased: str,
    counts: ErasureCounts,
    photographs: int = 0,
    batch_id: UUID | None = None,
) -> ErasureRecord:
    """Write what is erased in this transaction.

    Args:
        session: The transaction that erases it.
        tenant: Whose it was.
        erased: Its path.
        counts: What goes with it.
        photographs: How many go.
        batch_id: Of a batch whose rows the eraser deletes; None: no row is left at the commit.
    """
    row = ErasureRecord(
        tenant=tenant,
        erased=erased,
        batch_id=batch_id,
        photographs=photographs,
        **vars(counts),
    )
    if batch_id is None:
        row.rows_gone_at = func.now()  # type: ignore[assignment]
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def find(session: Session, tenant: str, receipt_id: UUID) -> ErasureRecord:
    """Find a receipt by its id.

    Raises:
        NotFoundError: There is none, it was too old, or it is another tenant's.
    """
    of_tenant = select(ErasureRecord).where(col(ErasureRecord.tenant) == tenant)
    found: ErasureRecord | None = session.execute(
        of_tenant.where(col(ErasureRecord.id) == receipt_id)
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"There is no receipt {receipt_id} here. GET /v1/erasures lists them.")
    return found


def list_receipts(
    session: Session, tenant: str, *, erased: str | None, before: UUID | None, limit: int
) -> Sequence[ErasureRecord]:
    """List a tenant's receipts, newest first.

    Args:
        session: To ask in.
        tenant: Whose.
        erased: Only of what had this path; None: any.
        before: Only older ones; None: from the newest on.
        limit: Most of them.
    """
    statement = select(ErasureRecord).where(col(ErasureRecord.tenant) == tenant)
    if erased is not None:
        statement = statement.where(col(ErasureRecord.erased) == erased)
    if before is not None:
        statement = statement.where(col(ErasureRecord.id) < before)
    statement = statement.order_by(col(ErasureRecord.id).desc()).limit(limit)
    found: Sequence[ErasureRecord] = session.execute(statement).scalars().all()
    return found


def settle(session: Session) -> int:
    """Note of receipts that nothing is left of what they tell of; at most `AT_ONCE`.

    First that its rows are gone, and then, as nothing was marked after that, its objects.

    Returns:
        Of how many the objects are gone.
    """
    waiting = (
        select(col(ErasureRecord.id))
        .where(col(ErasureRecord.objects_gone_at).is_(None))
        .order_by(col(ErasureRecord.created_at))
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    open_ = among(ErasureRecord.id, list(session.execute(waiting).scalars()))
    batch = select(col(Batch.id)).where(col(Batch.id) == col(ErasureRecord.batch_id))
    session.execute(
        update(ErasureRecord)
        .where(open_, col(ErasureRecord.rows_gone_at).is_(None), ~batch.exists())
        .values(rows_gone_at=func.now())
    )
    leaving = or_(
        *(
            select(col(table.id))
            .where(
                col(table.tenant) == col(ErasureRecord.tenant),
                col(table.doomed_at) <= col(ErasureRecord.rows_gone_at),
            )
            .exists()
            for table in (Image, Source)
        )
    )
    settled = session.execute(
        update(ErasureRecord)
        .where(open_, col(ErasureRecord.rows_gone_at).is_not(None), ~leaving)
        .values(objects_gone_at=func.now())
        .returning(col(ErasureRecord.id))
    )
    return len(settled.all())


def prune(session: Session, *, seconds: float) -> int:
    """Delete receipts that are older than so many seconds, at most `AT_ONCE`; return how many."""
    old = (
        select(col(ErasureRecord.id))
        .where(col(ErasureRecord.created_at) < func.now() - timedelta(seconds=seconds))
        .order_by(col(ErasureRecord.created_at))
        .limit(AT_ONCE)
    )
    ids = list(session.execute(old).scalars())
    session.execute(delete(ErasureRecord).where(among(ErasureRecord.id, ids)))
    return len(ids)
