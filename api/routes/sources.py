"""Photographs of products: sent, listed, read, deleted."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Depends, Query, Response
from sqlmodel import col

from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant, get_caller
from api.description import LOCATION, source_file
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.erasure import ErasureReceipt
from api.schemas.sources import Digest, SourcePage, SourceView
from api.services import Services
from api.submission.photograph import document_photograph, keep_photograph
from api.submission.publish import revoke
from api.turns.downloads import DownloadResponse, Opened
from api.views.conditions import Conditions, ConditionsNow
from api.views.cursors import Cursor, Limit
from api.views.erasure import write_receipt
from api.views.sources import file_headers, open_source, view_source, view_sources
from core.db.models import Source
from core.lifecycle.cancellation import messages_of
from core.lifecycle.source_erasure import erase_images_of
from core.links import SOURCES, source_path
from core.sources import rows
from core.sources.store import Kept

router = Router(
    route_class=TransactionRoute,
    prefix=SOURCES,
    tags=["Sources"],
    # First of all: without a key nobody's upload is read.
    dependencies=[Depends(get_caller)],
)


@router.post(
    "",
    operation_id="send_source",
    status_code=201,
    responses={
        200: {"model": SourceView, "description": "The same bytes were there already."} | LOCATION,
        201: LOCATION,
        **problems(404, 409),
    },
    openapi_extra=document_photograph(),
)
def post_source(
    caller: Submitter,
    kept: Annotated[Kept, Depends(keep_photograph)],
    session: SessionNow,
    response: Response,
) -> SourceView:
    """Send a photograph: JPEG, PNG, WebP, AVIF, TIFF, BMP, or a GIF that does not move.

    As a form's `file`, or as the body itself (`application/octet-stream`, or any `image/*`). It is
    kept as it comes; the same bytes are kept once.
    """
    response.headers["Location"] = source_path(kept.source_id)
    if not kept.is_new:
        response.status_code = 200
    return view_source(rows.find_source(session, caller.tenant, kept.source_id))


@router.get("", operation_id="list_sources")
def get_sources(
    tenant: Tenant,
    session: SessionNow,
    digest: Digest = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> SourcePage:
    """List photographs, newest first."""
    return view_sources(session, tenant, digest=digest, cursor=cursor, limit=limit)


@router.get("/{source_id}", operation_id="get_source", responses=problems(404))
def get_source(source_id: UUID, tenant: Tenant, session: SessionNow) -> SourceView:
    """Show what is known of a photograph."""
    return view_source(rows.find_source(session, tenant, source_id))


@router.get(
    "/{source_id}/content",
    operation_id="get_source_content",
    response_class=Response,
    responses={**source_file(), **problems(404, 410)},
)
def get_content(
    source_id: UUID,
    tenant: Tenant,
    services: ServicesNow,
    session: SessionNow,
    conditions: ConditionsNow,
) -> Response:
    """Download a photograph as it came, or a part of it."""
    source = rows.find_source(session, tenant, source_id)
    headers = file_headers(source)
    if conditions.met_by(headers["ETag"]):
        kept = {name: headers[name] for name in ("ETag", "Cache-Control")}
        return Response(status_code=304, headers=kept)
    open_ = partial(_open_part, services, source, conditions)
    return DownloadResponse(services.downloads, services.downloads.images, tenant, open_)


def _open_part(services: Services, source: Source, conditions: Conditions) -> Opened:
    return conditions.part_of(open_source(services, source))


@router.delete("/{source_id}", operation_id="delete_source", responses=problems(404))
def delete_source(
    source_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
    images: Annotated[
        bool, Query(description="Whether the images that were made of it go, too.")
    ] = False,
) -> ErasureReceipt:
    """Delete a photograph: nobody finds it any more, and its bytes are gone within a minute.

    Images that were made of it stay until their jobs are deleted; with `images` they go, from all
    jobs of yours that have them, with renditions, latents and what webhooks were told of those
    jobs. What is being made of it is cancelled then. The jobs stay.
    """
    source = rows.find_source(session, caller.tenant, source_id)
    counts = None
    if images:
        erased = erase_images_of(session, source)
        counts = erased.counts
        background.add_task(revoke, services, messages_of(session, erased.stopped))
        # After the commit: nothing that can still be found lacks its object.
        background.add_task(services.storage.delete, erased.latents)
    marked = rows.mark(session, col(Source.id) == source_id)
    path = source_path(source_id)
    return write_receipt(session, caller.tenant, path, counts, photographs=marked)
