"""Sheets: sent, listed, read, cancelled."""

from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Depends, Query, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant, get_caller
from api.description import LOCATION
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.batches import BatchPage, BatchView
from api.schemas.erasure import ErasureReceipt
from api.schemas.jobs import JobPage
from api.schemas.photograph_check import PhotographCheck
from api.schemas.sheets import SheetReport
from api.submission.context import context_of
from api.submission.dry_run import report
from api.submission.photograph_check import check_photographs
from api.submission.publish import follow_up, revoke
from api.submission.retry import Retry, retry_batch
from api.submission.submit import submit_batch
from api.submission.upload import Upload, document_upload, read_request, receive_upload
from api.views.batches import find_batch, list_batches, view_batch
from api.views.cursors import Cursor, Limit
from api.views.erasure import write_receipt
from api.views.job_lists import JobFilter, list_jobs
from api.waiting.event_stream import EVENTS, EventStream, LastEventId
from api.waiting.long_poll import LongPollResponse, Wait
from api.waiting.snapshots import EventId
from core.domain.approval import Approval
from core.domain.states import BatchState, JobState
from core.lifecycle.cancellation import cancel_batch, messages_of
from core.lifecycle.erasure import hide_batch
from core.lifecycle.erasure_counts import count_batch
from core.links import BATCHES, batch_path

router = Router(
    route_class=TransactionRoute,
    prefix=BATCHES,
    tags=["Batches"],
    # First of all: without a key nobody's upload is read.
    dependencies=[Depends(get_caller)],
)


@router.post(
    "",
    operation_id="submit_batch",
    status_code=202,
    # Named here: a dry run answers with something else.
    response_model=BatchView,
    responses={
        200: {"model": SheetReport, "description": "With `dry_run`: what would become of it."},
        202: LOCATION,
        **problems(404),
    },
    openapi_extra=document_upload(),
)
def post_batch(
    caller: Submitter,
    upload: Annotated[Upload, Depends(receive_upload)],
    photographs: Annotated[PhotographCheck | None, Depends(check_photographs)],
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
    response: Response,
) -> BatchView | JSONResponse:
    """Send a sheet: one product per row. Every bad row is named at once, or all are queued."""
    models, settings = services.models, services.settings
    request = read_request(
        session, caller.tenant, upload, list(models), max_rows=settings.max_sheet_rows
    )
    context = context_of(request.fields, caller, settings, services.egress)
    if request.fields.dry_run:
        home = settings.home
        found = report(session, models, context, request, home=home, photographs=photographs)
        return JSONResponse(found.model_dump(mode="json"))
    batch, submission = submit_batch(session, models, context, request)
    named = {"batch": str(batch.id), "images": batch.total_jobs}
    background.add_task(follow_up, services, context, submission, **named)
    response.headers["Location"] = batch_path(batch.id)
    return view_batch(session, find_batch(session, caller.tenant, batch.id))


@router.get("", operation_id="list_batches")
def get_batches(
    tenant: Tenant, session: SessionNow, cursor: Cursor = None, limit: Limit = 50
) -> BatchPage:
    """List batches, newest first."""
    return list_batches(session, tenant, cursor=cursor, limit=limit)


@router.get(
    "/{batch_id}",
    operation_id="get_batch",
    response_model=BatchView,
    responses=problems(404),
)
def get_batch(
    batch_id: UUID,
    tenant: Tenant,
    services: ServicesNow,
    session: SessionNow,
    wait: Wait = 0,
) -> BatchView | Response:
    """Show a batch's state, with its images counted by state."""

    def view(session: Session) -> BatchView:
        return view_batch(session, find_batch(session, tenant, batch_id))

    batch = find_batch(session, tenant, batch_id)
    if wait and batch.state is BatchState.RUNNING:
        return LongPollResponse(services, tenant, batch_id, seconds=wait, view=view)
    return view_batch(session, batch)


@router.get(
    "/{batch_id}/events",
    operation_id="get_batch_events",
    response_class=Response,
    responses=EVENTS | problems(404),
)
def get_events(
    batch_id: UUID,
    tenant: Tenant,
    services: ServicesNow,
    session: SessionNow,
    last_event_id: LastEventId = None,
) -> Response:
    """Listen to a batch until it ends, by server-sent events.

    `progress` has the counts of jobs by state and stage, `jobs` those that were finished since,
    each once; `end` comes last. A comment comes where nothing else does for 15 seconds. After ten
    minutes, and when the server ends, the stream ends before the batch: come again with the last
    `id` in `Last-Event-ID`, as browsers do by themselves.
    """
    last = EventId.read(last_event_id)
    batch = find_batch(session, tenant, batch_id)
    if last.is_end and batch.state is not BatchState.RUNNING:
        # What makes a browser come no more.
        return Response(status_code=204)
    return EventStream(services, tenant, batch_id, last)


@router.get("/{batch_id}/items", operation_id="list_batch_items", responses=problems(404))
def get_items(
    batch_id: UUID,
    tenant: Tenant,
    session: SessionNow,
    state: JobState | None = None,
    approval: Annotated[
        Approval | None,
        Query(description="What was said of the image; pending: what waits for a judgement."),
    ] = None,
    flagged: Annotated[
        bool | None, Query(description="Whether somebody should look at the image.")
    ] = None,
    sku: Annotated[str | None, Query(max_length=200, description="Of this product alone.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> JobPage:
    """List a batch's images, in the order of its sheet."""
    find_batch(session, tenant, batch_id)
    chosen = JobFilter(state=state, approval=approval, flagged=flagged, sku=sku)
    return list_jobs(session, tenant, batch_id, chosen=chosen, cursor=cursor, limit=limit)


@router.post(
    "/{batch_id}/retry", operation_id="retry_batch", status_code=202, responses=problems(404, 409)
)
def post_retry(
    batch_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    retry: Retry | None = None,
) -> BatchView:
    """Try the failed images of a batch again, and nothing else of it."""
    retry_batch(session, services, caller, batch_id, retry or Retry())
    return view_batch(session, find_batch(session, caller.tenant, batch_id))


@router.post(
    "/{batch_id}/cancel", operation_id="cancel_batch", status_code=202, responses=problems(404)
)
def post_cancel(
    batch_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> BatchView:
    """Cancel what is not finished; finished images stay."""
    find_batch(session, caller.tenant, batch_id)
    stopped = cancel_batch(session, batch_id)
    background.add_task(revoke, services, messages_of(session, stopped))
    return view_batch(session, find_batch(session, caller.tenant, batch_id))


@router.delete("/{batch_id}", operation_id="delete_batch", responses=problems(404))
def delete_batch(
    batch_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> ErasureReceipt:
    """Erase a batch, cancelled first if it is not finished, with all that no other job uses.

    Nobody sees it or its jobs any more. Its rows, prompts, events, images, renditions and latents
    are deleted by and by: a thousand within a minute, and no webhook tells of it.
    """
    find_batch(session, caller.tenant, batch_id)
    stopped = cancel_batch(session, batch_id)
    background.add_task(revoke, services, messages_of(session, stopped))
    counts = count_batch(session, batch_id)
    hide_batch(session, batch_id)
    return write_receipt(session, caller.tenant, batch_path(batch_id), counts, batch_id=batch_id)
