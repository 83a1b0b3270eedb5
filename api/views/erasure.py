"""Receipts of erasures."""

from uuid import UUID

from sqlmodel import Session

from api.schemas.erasure import ErasurePage, ErasureReceipt
from api.views.cursors import read_cursor, write_cursor
from core.db.models import ErasureRecord
from core.lifecycle import receipts
from core.lifecycle.erasure_counts import ErasureCounts


def write_receipt(
    session: Session,
    tenant: str,
    path: str,
    counts: ErasureCounts | None = None,
    *,
    photographs: int = 0,
    batch_id: UUID | None = None,
) -> ErasureReceipt:
    """Keep what is erased in this transaction, by Postgres's clock, and return it.

    Args:
        session: An open transaction, which erases it.
        tenant: Whose it was.
        path: Of what was deleted.
        counts: What went with it, counted before.
        photographs: How many were deleted.
        batch_id: Of a batch whose rows go by and by; None: no row is left.
    """
    row = receipts.write(
        session,
        tenant=tenant,
        erased=path,
        counts=counts or ErasureCounts(),
        photographs=photographs,
        batch_id=batch_id,
    )
    return view_receipt(row)


def view_receipt(row: ErasureRecord) -> ErasureReceipt:
    """Write one receipt."""
    shown = row.model_dump(include=set(ErasureReceipt.model_fields))
    return ErasureReceipt(
        **shown, erased_at=row.created_at, is_complete=row.rows_gone_at is not None
    )


def view_receipts(
    session: Session, tenant: str, *, erased: str | None, cursor: str | None, limit: int
) -> ErasurePage:
    """Return one page of a tenant's receipts, newest first."""
    before = read_cursor(cursor, UUID)
    found = receipts.list_receipts(session, tenant, erased=erased, before=before, limit=limit + 1)
    page = found[:limit]
    return ErasurePage(
        items=[view_receipt(one) for one in page],
        next=write_cursor(page[-1].id) if len(found) > limit else None,
    )
