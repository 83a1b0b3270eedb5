"""A batch's sheet as a feed of Google Merchant, with the public addresses of its images."""

from collections.abc import Iterator
from itertools import groupby
from uuid import UUID

from api.exports.results import LARGE_ROWS, PAGE_ROWS, BatchRows
from api.services import Services
from api.turns.downloads import Opened
from api.views.jobs import JobRow
from api.views.renditions import link_to
from catalogue.channels import Channel
from catalogue.feed_table import FeedTable
from core.errors import ConflictError

TSV = "text/tab-separated-values"


def open_feed(services: Services, tenant: str, batch_id: UUID, channel: Channel) -> Opened:
    """Open feed.tsv.

    Raises:
        NotFoundError: The tenant has no such batch.
        ConflictError: Its images have no public addresses.
    """
    # First of all: who has no such batch is told nothing else.
    rows = BatchRows(services.database, tenant, batch_id)
    base = services.settings.public_url
    if not base:
        raise ConflictError(
            "Google fetches images itself, and this server does not say where it is reached: its "
            "operator sets PACKSHOT_PUBLIC_URL."
        )
    if channel.name not in rows.files:
        raise ConflictError(
            f"The batch was not asked for the channel {channel.name}. Name one that it was asked "
            f"for, or submit its sheet with --channel {channel.name}: the images are in store."
        )
    large = rows.batch.total_jobs > LARGE_ROWS
    return Opened(
        headers=rows.attachment(f"feed-{batch_id}.tsv", f"{TSV}; charset=utf-8"),
        chunks=map(str.encode, _lines(rows, channel, base)),
        counted_for=tenant if large else None,
    )


def _lines(rows: BatchRows, channel: Channel, base: str) -> Iterator[str]:
    table = FeedTable(rows.batch.columns)
    yield table.header()
    # The variants of a row are one product's images.
    for _, some in groupby(_rows(rows), key=lambda row: row[0].line):
        first, *rest = some
        links = (link_to(job, image, channel, base) for job, image, *_ in (first, *rest))
        yield table.line(first[0].row, [one.public_url for one in links if one.public_url])


def _rows(rows: BatchRows) -> Iterator[JobRow]:
    while page := rows.next_page(PAGE_ROWS):
        yield from page
