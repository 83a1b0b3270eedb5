"""What a batch gives out whole: results, skipped rows, workbook, manifest, feed, images."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from api.dependencies import ServicesNow, SessionNow, Tenant, get_caller
from api.description import file_of
from api.exports.archive import open_archive
from api.exports.feed import TSV, open_feed
from api.exports.results import open_manifest, open_results
from api.exports.workbook import XLSX, open_workbook
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.renditions import ChannelName
from api.turns.downloads import DownloadResponse
from api.views.batches import find_batch, skipped_rows
from api.views.renditions import channel_named
from catalogue.skipping import format_skipped
from core.links import BATCHES

router = Router(
    route_class=TransactionRoute,
    prefix=BATCHES,
    tags=["Batches"],
    dependencies=[Depends(get_caller)],
)


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
