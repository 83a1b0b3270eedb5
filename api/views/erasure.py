"""Receipts of erasures."""

from sqlalchemy import func, select
from sqlmodel import Session

from api.schemas.erasure import ErasureReceipt
from core.lifecycle.erasure_counts import ErasureCounts


def write_receipt(
    session: Session,
    path: str,
    counts: ErasureCounts | None = None,
    *,
    photographs: int = 0,
    is_complete: bool,
) -> ErasureReceipt:
    """Write what was erased in this transaction, by Postgres's clock.

    Args:
        session: An open transaction, which erases it.
        path: Of what was deleted.
        counts: What went with it, counted before.
        photographs: How many were deleted.
        is_complete: Whether no row is left.
    """
    return ErasureReceipt(
        erased=path,
        erased_at=session.execute(select(func.now())).scalar_one(),
        photographs=photographs,
        is_complete=is_complete,
        **vars(counts or ErasureCounts()),
    )
