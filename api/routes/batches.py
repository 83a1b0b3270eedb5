"""Sheets: sent, listed, read, cancelled."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Depends, Query, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant, get_caller
from api.description import LOCATION, file_of
from api.exports.archive import open_archive
from api.exports.feed import TSV, open_feed
from api.exports.results import open_manifest, open_results
from api.exports.workbook import XLSX, open_workbook
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.batches import BatchPage, BatchView
from api.schemas.erasure import ErasureReceipt
from api.schemas.jobs import JobPage
from api.schemas.renditions import ChannelName
from api.schemas.sheets import SheetReport
from api.submission.context import context_of
from api.submission.dry_run import report
from api.submission.publish import follow_up, revoke
from api.submission.retry import Retry, retry_batch
from api.submission.submit import submit_batch
from api.submission.upload import Upload, document_upload, read_request, receive_upload
from api.turns.downloads import DownloadResponse
from api.views.batches import find_batch, list_batches, skipped_rows, view_batch
from api.views.cursors import Cursor, Limit
from api.views.erasure import write_receipt
from api.views.jobs import JobFilter, list_jobs
from api.views.renditions import channel_named
from api.waiting.event_stream import EVENTS, EventStream, LastEventId
from api.waiting.long_poll import LongPollResponse, Wait
from api.waiting.snapshots import EventId
from catalogue.skipping import format_skipped
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
        found = report(session, models, context, request, home=settings.home)
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
    return write_receipt(session, batch_path(batch_id), counts, is_complete=False)


@router.get(
    "/{batch_id}/results.csv",
    operation_id="get_batch_results",
    response_class=Response,
    responses={200: file_of("text/csv"), **problems(404, 429)},
)
def get_results(batch_id: UUID, tenant: Tenant, services: ServicesNow) -> Response:
    """Download the sheet with what became of each image."""
    open_ = partial(open_results, services, tenant, batch_id)
    return DownloadResponse(services.downloads, services.downloads.tables, tenant, open_)


@router.get(
    "/{batch_id}/skipped.csv",
    operation_id="get_batch_skipped",
    response_class=Response,
    responses={200: file_of("text/csv"), **problems(404)},
)
def get_skipped(batch_id: UUID, tenant: Tenant, session: SessionNow) -> Response:
    """Download the rows that were left out, with what is wrong with each, to correct and send."""
    batch = find_batch(session, tenant, batch_id)
    name = f'attachment; filename="skipped-{batch_id}.csv"'
    text = format_skipped(batch.columns, skipped_rows(batch))
    return Response(text, media_type="text/csv", headers={"Content-Disposition": name})


@router.get(
    "/{batch_id}/results.xlsx",
    operation_id="get_batch_workbook",
    response_class=Response,
    responses={200: file_of(XLSX), **problems(404, 409, 429)},
)
def get_workbook(batch_id: UUID, tenant: Tenant, services: ServicesNow) -> Response:
    """Download the same as a workbook, with small pictures of the first images in it."""
    open_ = partial(open_workbook, services, tenant, batch_id)
    return DownloadResponse(services.downloads, services.downloads.archives, tenant, open_)


@router.get(
    "/{batch_id}/manifest.jsonl",
    operation_id="get_batch_manifest",
    response_class=Response,
    responses={200: file_of("application/x-ndjson"), **problems(404, 429)},
)
def get_manifest(batch_id: UUID, tenant: Tenant, services: ServicesNow) -> Response:
    """Download what is known of each image, one JSON object in each line."""
    open_ = partial(open_manifest, services, tenant, batch_id)
    return DownloadResponse(services.downloads, services.downloads.tables, tenant, open_)


@router.get(
    "/{batch_id}/feed.tsv",
    operation_id="get_batch_feed",
    response_class=Response,
    responses={200: file_of(TSV), **problems(404, 409, 429)},
)
def get_feed(
    batch_id: UUID,
    tenant: Tenant,
    services: ServicesNow,
    channel: Annotated[
        ChannelName, Query(description="Whose renditions are named; the batch was asked for it.")
    ] = "google_merchant",
) -> Response:
    """Download the sheet as a feed of Google Merchant: its columns, with the images' addresses."""
    open_ = partial(open_feed, services, tenant, batch_id, channel_named(channel))
    return DownloadResponse(services.downloads, services.downloads.tables, tenant, open_)


@router.get(
    "/{batch_id}/images.zip",
    operation_id="get_batch_images",
    response_class=Response,
    responses={200: file_of("application/zip"), **problems(404, 429)},
)
def get_archive(
    batch_id: UUID,
    tenant: Tenant,
    services: ServicesNow,
    channel: Annotated[
        ChannelName | None,
        Query(description="As this channel wants them; without it as the model drew."),
    ] = None,
) -> Response:
    """Download the finished images as one archive; MISSING.txt in it names the others, and why."""
    wanted = channel_named(channel) if channel else None
    open_ = partial(open_archive, services, tenant, batch_id, wanted)
    return DownloadResponse(services.downloads, services.downloads.archives, tenant, open_)
