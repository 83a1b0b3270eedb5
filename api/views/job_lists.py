"""Pages of jobs: all of a tenant's, or those of a batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    tuple_,
)
from sqlmodel import Session, col

from api.schemas.jobs import JobPage
from api.views.cursors import read_cursor, write_cursor
from api.views.jobs import jobs_of, view_jobs
from core.db.models import Image, Job
from core.domain.approval import Approval
from core.domain.photograph_spec import ImageMode
from core.domain.states import JobState
from core.lifecycle.approval import flagged, to_review


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs are listed; None: whatever it is."""

    state: JobState | None = None
    batch: UUID | None = None
    sku: str | None = None
    sku_prefix: str | None = None
    """What the SKU begins with, in capitals or not."""
    model: str | None = None
    mode: ImageMode | None = None
    created_after: datetime | None = None
    """At that moment, or later."""
    created_before: datetime | None = None
    approval: Approval | None = None
    """What was said of its image; pending: it waits for a judgement."""
    flagged: bool | None = None
    """Whether somebody should look at its image."""

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield what holds of the jobs, in a query that has joined their images."""
        same = {
            Job.state: self.state,
            Job.batch_id: self.batch,
            Job.sku: self.sku,
            Job.model: self.model,
            Job.mode: self.mode,
        }
        for column, value in same.items():
            if value is not None:
                yield col(column) == value
        if self.sku_prefix is not None:
            yield col(Job.sku).istartswith(self.sku_prefix, autoescape=True)
        if self.created_after is not None:
            yield col(Job.created_at) >= self.created_after
        if self.created_before is not None:
            yield col(Job.created_at) < self.created_before
        if self.approval is Approval.PENDING:
            yield to_review()
        elif self.approval is not None:
            yield col(Job.approval) == self.approval
        if self.flagged is not None:
            yield and_(col(Image.id).is_not(None), flagged() == self.flagged)


def list_jobs(
    session: Session,
    tenant: str,
    batch_id: UUID,
    *,
    chosen: JobFilter,
    cursor: str | None,
    limit: int,
    whole_rows: bool = False,
) -> JobPage:
    """Return one page of a batch's jobs, in the order of its sheet.

    Args:
        session: An open transaction.
        tenant: Whose batch it is.
        batch_id: The batch.
        chosen: Which of its jobs.
        cursor: Where the page before ended.
        limit: Most jobs of the page.
        whole_rows: Whether the page ends where a row of the sheet ends, unless it has but one.
    """
    after = read_cursor(cursor, _place)
    statement = jobs_of(tenant).where(col(Job.batch_id) == batch_id, *chosen.conditions())
    if after is not None:
        statement = statement.where(tuple_(col(Job.position), col(Job.id)) > tuple_(*after))
    statement = statement.order_by(col(Job.position), col(Job.id)).limit(limit + 1)
    rows = session.execute(statement).all()
    end = _end_of_row([row[0] for row in rows], limit) if whole_rows else limit
    return JobPage(
        items=view_jobs(session, rows[:end]),
        next=write_cursor(_written(rows[end - 1][0])) if len(rows) > end else None,
    )


def _end_of_row(jobs: Sequence[Job], limit: int) -> int:
    """Return how many of the first jobs are whole rows, if they are not all."""
    if len(jobs) <= limit or jobs[limit].line is None:
        return limit
    end = limit
    while end and jobs[end - 1].line == jobs[limit].line:
        end -= 1
    return end or limit


def _written(job: Job) -> str:
    return f"{job.position} {job.id}"


def _place(text: str) -> tuple[int, UUID]:
    position, job_id = text.split()
    return int(position), UUID(job_id)


def list_newest_jobs(
    session: Session, tenant: str, chosen: JobFilter, *, cursor: str | None, limit: int
) -> JobPage:
    """Return one page of a tenant's jobs, newest first."""
    before = read_cursor(cursor, UUID)
    statement = jobs_of(tenant).where(*chosen.conditions())
    if before is not None:
        statement = statement.where(col(Job.id) < before)
    rows = session.execute(statement.order_by(col(Job.id).desc()).limit(limit + 1)).all()
    following = write_cursor(rows[limit - 1][0].id) if len(rows) > limit else None
    return JobPage(items=view_jobs(session, rows[:limit]), next=following)
