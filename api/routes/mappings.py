"""Mappings that are remembered by the header of the sheets that they hold for."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from api.dependencies import SessionNow, Submitter, Tenant, get_caller
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.mappings import MappingPage, MappingView
from api.views.cursors import Cursor, Limit, read_cursor, write_cursor
from core.column_mappings import forget_mapping, list_mappings
from core.errors import NotFoundError

router = Router(
    route_class=TransactionRoute,
    prefix="/v1/mappings",
    tags=["Mappings"],
    dependencies=[Depends(get_caller)],
)

Signature = Annotated[
    str | None,
    Query(pattern="^[0-9a-f]{64}$", description="Of sheets with this header alone."),
]


@router.get("", operation_id="list_mappings")
def get_mappings(
    tenant: Tenant,
    session: SessionNow,
    signature: Signature = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> MappingPage:
    """List what was said of the columns of sheets, newest first.

    A batch with `columns`, or with `mapping: auto`, is remembered by its sheet's header; 200 of
    them, those without use go first. A sheet with the same header that says neither is read so.
    """
    before = read_cursor(cursor, UUID)
    found = list_mappings(session, tenant, signature=signature, before=before, limit=limit + 1)
    page = found[:limit]
    return MappingPage(
        items=[MappingView.model_validate(one, from_attributes=True) for one in page],
        next=write_cursor(page[-1].id) if len(found) > limit else None,
    )


@router.delete(
    "/{mapping_id}", operation_id="delete_mapping", status_code=204, responses=problems(404)
)
def delete_mapping(mapping_id: UUID, caller: Submitter, session: SessionNow) -> None:
    """Forget a mapping; batches that were read by it stay as they are."""
    if not forget_mapping(session, caller.tenant, mapping_id):
        raise NotFoundError(f"There is no mapping {mapping_id} here. GET /v1/mappings lists them.")
