"""A batch's jobs as results.csv and manifest.jsonl: any number of rows in little memory."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlmodel import Session, col

from api.schemas.jobs import ManifestEntry
from api.views.batches import find_batch
from api.views.jobs import JobRow, jobs_of, seconds_of, view_error, view_job
from api.views.renditions import Made, find_made, known_channels, link_to
from catalogue.channels import Channel
from catalogue.results import ResultLine, format_header, format_lines
from core.db.engine import Database
from core.db.models import Batch, Job
from core.links import image_path
from core.pictures.formats import ORIGINAL

PAGE_ROWS = 1000


class BatchRows:
    """The jobs of one batch, in the order of its sheet.

    Each page is read in a session of its own: a slow client keeps no connection.
    """

    def __init__(self, database: Database, tenant: str, batch_id: UUID) -> None:
        """Find the batch, and read the first page.

        Raises:
            NotFoundError: The tenant has no such batch.
        """
        self._database = database
        self._tenant = tenant
        with database.session() as session:
            self.batch: Batch = find_batch(session, tenant, batch_id)
            self.first = self._page(session, after=-1)

    def pages(self) -> Iterator[Sequence[JobRow]]:
        """Return one page after the other."""
        page = self.first
        while page:
            yield page
            with self._database.session() as session:
                page = self._page(session, after=page[-1][0].position)

    def made(self, page: Sequence[JobRow]) -> Made:
        """Find the renditions of a page's images."""
        with self._database.session() as session:
            return find_made(session, [(job, image) for job, image, *_ in page])

    def _page(self, session: Session, *, after: int) -> Sequence[JobRow]:
        statement = (
            jobs_of(self._tenant)
            .where(col(Job.batch_id) == self.batch.id, col(Job.position) > after)
            .order_by(col(Job.position))
            .limit(PAGE_ROWS)
        )
        return session.execute(statement).all()


def stream_results(rows: BatchRows, base: str) -> Iterator[str]:
    """Write the lines of results.csv.

    Args:
        rows: The batch.
        base: The API's public address, or the empty text.
    """
    columns = rows.batch.columns
    # All of a batch are wanted for the same channels.
    files = rows.first[0][0].files if rows.first else {}
    channels = known_channels(files)
    named = ["file_name"] if ORIGINAL in files else []
    named += [f"{one.name}_{what}" for one in channels for what in ("file", "url", "note")]
    yield format_header(columns, named)
    for page in rows.pages():
        made = rows.made(page) if channels else {}
        yield format_lines(columns, (_outcome(row, channels, base, made) for row in page))


def stream_manifest(rows: BatchRows, base: str) -> Iterator[str]:
    """Write the lines of manifest.jsonl: what the API says of each job, and its row."""
    for page in rows.pages():
        made = rows.made(page)
        yield "".join(f"{_entry(row, base, made)}\n" for row in page)


def _entry(row: JobRow, base: str, made: Made) -> str:
    view = view_job(*row, base=base, made=made)
    return ManifestEntry(**view.model_dump(), row=row[0].row).model_dump_json()


def _outcome(row: JobRow, channels: Sequence[Channel], base: str, made: Made) -> ResultLine:
    job, image, seconds, _ = row
    took, error = seconds_of(job, seconds), view_error(job)
    files: list[str | None] = [job.files[ORIGINAL]] if ORIGINAL in job.files else []
    for channel in channels:
        link = link_to(job, image, channel, base, made)
        files += [link.file_name, link.public_url, link.note]
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
        files=files,
    )
