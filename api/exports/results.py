"""A batch's jobs as results.csv and manifest.jsonl: any number of rows in little memory."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import Select
from sqlmodel import col

from api.schemas.jobs import ManifestEntry
from api.services import Services
from api.turns.downloads import Opened
from api.views.batches import find_batch
from api.views.images import ai_use_in
from api.views.jobs import JobRow, jobs_of, seconds_of, view_error, view_job
from api.views.renditions import Made, find_made, known_channels, link_to
from catalogue.channels import Channel
from catalogue.results import (
    PHOTOGRAPH,
    ResultLine,
    format_header,
    format_lines,
    photograph_cells,
)
from core.db.engine import DATABASE_ERRORS, Database
from core.db.models import Batch, Job
from core.lifecycle.approval import given_out_among, shown
from core.links import image_path
from core.pictures.formats import ORIGINAL

PAGE_ROWS = 250
"""Rows that are in memory at the same time: of each download that reads, and of none that waits."""
LARGE_ROWS = 1000
"""A batch with more is a large download."""


class BatchRows:
    """The jobs of one batch, in the order of its sheet.

    Of several images that were made for one row, one in another's place, it is the approved one,
    else the newest. Each page is read in a session of its own: a slow reader keeps no connection.
    Drop a page before what was made of it is sent: a thousand rows take ten megabytes.
    """

    def __init__(self, database: Database, tenant: str, batch_id: UUID) -> None:
        """Find the batch.

        Raises:
            NotFoundError: The tenant has no such batch.
        """
        self._database = database
        self._tenant = tenant
        self._after = -1
        with database.session() as session:
            self.batch: Batch = find_batch(session, tenant, batch_id)
            first = session.execute(self._statement(1)).first()
        self.files: Mapping[str, str] = first[0].files if first else {}
        """The names of the first job's files: all of a batch are wanted for the same channels."""
        self.has_photographs = bool(first and first[0].photograph)
        """Whether its images are made of photographs: all of a batch are of one mode."""

    def next_page(self, rows: int) -> Sequence[JobRow]:
        """Read the next page; an empty one behind the last."""
        with self._database.session() as session:
            page = session.execute(self._statement(rows)).all()
        if page:
            self._after = page[-1][0].position
        return page

    def made(self, page: Sequence[JobRow]) -> Made:
        """Find the renditions of a page's images."""
        with self._database.session() as session:
            return find_made(session, [(job, image) for job, image, *_ in page])

    def attachment(self, name: str, content_type: str) -> Mapping[str, str]:
        """Return the headers of a file that is made of them."""
        return {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Type": content_type,
        }

    def _statement(self, rows: int) -> Select[*JobRow]:
        return (
            jobs_of(self._tenant)
            .where(col(Job.batch_id) == self.batch.id, col(Job.position) > self._after, shown())
            .order_by(col(Job.position))
            .limit(rows)
        )


def free_among(services: Services, rows: Sequence[JobRow]) -> set[UUID]:
    """Find whose images may be given out now: their page may have been read hours ago.

    Where Postgres does not answer, it is nobody's.
    """
    try:
        with services.database.reader() as session:
            return given_out_among(session, [row[0].id for row in rows])
    except DATABASE_ERRORS:
        return set()


def open_results(services: Services, tenant: str, batch_id: UUID) -> Opened:
    """Open results.csv.

    Raises:
        NotFoundError: The tenant has no such batch.
    """
    rows = BatchRows(services.database, tenant, batch_id)
    lines = _results(rows, services.settings.public_url)
    return _opened(rows, lines, f"results-{batch_id}.csv", "text/csv; charset=utf-8")


def open_manifest(services: Services, tenant: str, batch_id: UUID) -> Opened:
    """Open manifest.jsonl: what the API says of each job, and its row.

    Raises:
        NotFoundError: The tenant has no such batch.
    """
    rows = BatchRows(services.database, tenant, batch_id)
    lines = iter(partial(_entries, rows, services.settings.public_url), "")
    return _opened(rows, lines, f"manifest-{batch_id}.jsonl", "application/x-ndjson")


def _opened(rows: BatchRows, lines: Iterator[str], name: str, content_type: str) -> Opened:
    large = rows.batch.total_jobs > LARGE_ROWS
    return Opened(
        headers=rows.attachment(name, content_type),
        chunks=map(str.encode, lines),
        counted_for=rows.batch.tenant if large else None,
    )


def _results(rows: BatchRows, base: str) -> Iterator[str]:
    channels = known_channels(rows.files)
    yield format_header(rows.batch.columns, further_columns(rows, channels))
    yield from iter(partial(_lines, rows, channels, base), "")


def further_columns(rows: BatchRows, channels: Sequence[Channel]) -> list[str]:
    """Return the names of `ResultLine.further`'s columns."""
    named = [*PHOTOGRAPH] if rows.has_photographs else []
    named += ["file_name"] if ORIGINAL in rows.files else []
    named += [f"{one.name}_{what}" for one in channels for what in ("file", "url", "note")]
    return named


def _lines(rows: BatchRows, channels: Sequence[Channel], base: str) -> str:
    """Write the next page's lines; the empty text behind the last."""
    page = rows.next_page(PAGE_ROWS)
    made = rows.made(page) if channels else {}
    return format_lines(
        rows.batch.columns, (result_line(row, channels, base, made) for row in page)
    )


def _entries(rows: BatchRows, base: str) -> str:
    page = rows.next_page(PAGE_ROWS)
    made = rows.made(page) if page else {}
    return "".join(f"{_entry(row, base, made)}\n" for row in page)


def _entry(row: JobRow, base: str, made: Made) -> str:
    view = view_job(*row, base=base, made=made)
    return ManifestEntry(**view.model_dump(), row=row[0].row).model_dump_json()


def result_line(row: JobRow, channels: Sequence[Channel], base: str, made: Made) -> ResultLine:
    """Return what results.csv says of a job."""
    job, image, seconds, _ = row
    took, error = seconds_of(job, seconds), view_error(job)
    further: list[str | None] = []
    if job.photograph:
        further += photograph_cells(image.quality if image else None, job.photograph)
    further += [job.files[ORIGINAL]] if ORIGINAL in job.files else []
    for channel in channels:
        link = link_to(job, image, channel, base, made)
        further += [link.file_name, link.public_url, link.note]
    return ResultLine(
        row=job.row,
        variant=job.variant,
        status=job.state.value,
        error=error.message if error else None,
        error_code=error.code if error else None,
        retry_helps=error.retry_helps if error else None,
        image=image_path(job.id) if image else None,
        seed=job.spec.noise_seed,
        cache=job.cache.value,
        seconds=None if took is None else round(took, 3),
        warning=job.warning,
        model=job.model,
        revision=job.bundle_revision,
        ai_use=ai_use_in(job, image),
        alt_text=job.alt_text,
        approval=job.approval.value,
        judged_by=job.judged_by,
        judged_at=job.judged_at.isoformat() if job.judged_at else None,
        judgement=job.judgement_reason,
        further=further,
    )
