"""results.xlsx of a batch: made whole in a file, then sent."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO
from uuid import UUID

from api.exports.results import PAGE_ROWS, BatchRows, free_among, further_columns, result_line
from api.services import Services
from api.turns.downloads import SENT_AT_ONCE, Opened
from api.views.images import ready_image
from api.views.jobs import JobRow
from api.views.renditions import known_channels
from catalogue.results_workbook import MOST_ROWS, MOST_THUMBNAILS, ResultsWorkbook, thumbnail_of
from core.db.engine import DATABASE_ERRORS
from core.errors import ConflictError, PackshotError
from core.pictures.opening import open_rgb
from core.storage import STORAGE_ERRORS

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LARGE_ROWS = 100
"""A batch with more is a large download."""


def open_workbook(services: Services, tenant: str, batch_id: UUID) -> Opened:
    """Open results.xlsx.

    Raises:
        NotFoundError: The tenant has no such batch.
        ConflictError: It has more images than a workbook takes.
    """
    rows = BatchRows(services.database, tenant, batch_id)
    if rows.batch.total_jobs > MOST_ROWS:
        raise ConflictError(
            f"The batch has {rows.batch.total_jobs:,} images, and results.xlsx takes "
            f"{MOST_ROWS:,}: download results.csv, which takes any number."
        )
    return Opened(
        headers=rows.attachment(f"results-{batch_id}.xlsx", XLSX),
        chunks=_workbook(services, rows),
        counted_for=tenant if rows.batch.total_jobs > LARGE_ROWS else None,
    )


def _workbook(services: Services, rows: BatchRows) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        _write(services, rows, file)
        file.seek(0)
        yield from iter(lambda: file.read(SENT_AT_ONCE), b"")


def _write(services: Services, rows: BatchRows, file: IO[bytes]) -> None:
    channels = known_channels(rows.files)
    workbook = ResultsWorkbook(file, rows.batch.columns, further_columns(rows, channels))
    left, base = MOST_THUMBNAILS, services.settings.public_url
    while page := rows.next_page(PAGE_ROWS):
        made = rows.made(page) if channels else {}
        free = free_among(services, page)
        there = [row for row in page if row[1] is not None and row[0].id in free]
        pictures = _thumbnails(services, there[:left])
        left -= len(pictures)
        for row in page:
            line = result_line(row, channels, base, made)
            workbook.add(line, pictures.get(row[0].id))
    workbook.close()


def _thumbnails(services: Services, rows: Sequence[JobRow]) -> dict[UUID, bytes]:
    """Read images at the same time, and make them small; those that cannot be read are left out."""
    read = services.downloads.readers.map(lambda row: _thumbnail(services, row), rows)
    return {row[0].id: body for row, body in zip(rows, read, strict=True) if body is not None}


def _thumbnail(services: Services, row: JobRow) -> bytes | None:
    try:
        return thumbnail_of(open_rgb(services.storage.read(ready_image(row[0], row[1]))))
    except (PackshotError, *STORAGE_ERRORS, *DATABASE_ERRORS):
        return None
