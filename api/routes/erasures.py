"""Receipts of erasures, to be read again."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from api.dependencies import SessionNow, Tenant, get_caller
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.erasure import ErasurePage, ErasureReceipt
from api.schemas.parameters import Line
from api.views.cursors import Cursor, Limit
from api.views.erasure import view_receipt, view_receipts
from core.lifecycle import receipts

router = Router(
    route_class=TransactionRoute,
    prefix="/v1/erasures",
    tags=["Erasures"],
    dependencies=[Depends(get_caller)],
)


@router.get("", operation_id="list_erasures")
def get_erasures(
    tenant: Tenant,
    session: SessionNow,
    erased: Annotated[
        Line | None, Query(max_length=200, description="Of what had this path alone.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ErasurePage:
    """List the receipts of what was erased, newest first."""
    return view_receipts(session, tenant, erased=erased, cursor=cursor, limit=limit)


@router.get("/{erasure_id}", operation_id="get_erasure", responses=problems(404))
def get_erasure(erasure_id: UUID, tenant: Tenant, session: SessionNow) -> ErasureReceipt:
    """Show a receipt again, and how much of what was erased is left by now."""
    return view_receipt(receipts.find(session, tenant, erasure_id))
