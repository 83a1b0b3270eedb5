"""results.csv of a batch, page by page: any number of lines in little memory."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlmodel import Session, col

from api.reading import JobRow, find_batch, image_path, jobs_of, seconds_of
from catalogue.results import Outcome, format_header, format_lines
from core.database import Database
from core.models import Job

PAGE_LINES = 1000


def stream_results(database: Database, tenant: str, batch_id: UUID) -> Iterator[str]:
    """Write the lines of a batch.

    Each page is read in a session of its own: a slow client keeps no connection.

    Raises:
        NotFoundError: before the first line, when the tenant has no such batch.
    """
    with database.session() as session:
        columns = find_batch(session, tenant, batch_id).columns
        page = _page(session, tenant, batch_id, after=-1)
    return _lines(database, tenant, batch_id, columns, page)


def _lines(
    database: Database,
    tenant: str,
    batch_id: UUID,
    columns: Sequence[str],
    page: Sequence[JobRow],
) -> Iterator[str]:
    yield format_header(columns)
    while page:
        yield format_lines(columns, map(_outcome, page))
        with database.session() as session:
            page = _page(session, tenant, batch_id, after=page[-1][0].position)


def _page(session: Session, tenant: str, batch_id: UUID, *, after: int) -> Sequence[JobRow]:
    statement = (
        jobs_of(tenant)
        .where(col(Job.batch_id) == batch_id, col(Job.position) > after)
        .order_by(col(Job.position))
        .limit(PAGE_LINES)
    )
    return session.execute(statement).all()


def _outcome(row: JobRow) -> Outcome:
    job, image, seconds, _ = row
    took = seconds_of(job, seconds)
    return Outcome(
        row=job.row,
        variant=job.variant,
        status=job.state.value,
        error=job.error_message,
        image=image_path(job.id) if image else None,
        seed=job.seed,
        cache=job.cache.value,
        seconds=None if took is None else round(took, 3),
        warning=job.warning,
    )
