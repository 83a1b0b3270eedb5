"""Leaving early: a waiter detaches; the last one to leave stops the work."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.connections import allow_long_statements
from core.db.locks import lock_generations
from core.db.models import Batch, Generation, Job
from core.db.models.transitions import change
from core.domain.states import IN_FLIGHT, OPEN_JOB, BatchState, GenerationState, JobState
from core.lifecycle.completion import settle_jobs
from core.webhooks import events
from core.webhooks.events import BatchChange


def cancel_job(session: Session, job_id: UUID) -> list[UUID]:
    """Cancel one job; a finished one stays as it is.

    Returns:
        The generations that nobody waits for any more.
    """
    return _detach(session, [col(Job.id) == job_id], JobState.CANCELED)


def cancel_batch(session: Session, batch_id: UUID) -> list[UUID]:
    """Cancel a batch and its unfinished jobs; its finished images stay.

    Returns:
        The generations that nobody waits for any more.
    """
    allow_long_statements(session)
    return _detach(session, [col(Job.batch_id) == batch_id], JobState.CANCELED, batch_id)


def cancel_work(session: Session, work: ColumnElement[bool]) -> list[UUID]:
    """Cancel all jobs that wait for the generations that match, as `cancel_job` does one."""
    matching = col(Job.generation_id).in_(select(col(Generation.id)).where(work))
    return _detach(session, [matching], JobState.CANCELED)


def cancel_alone(session: Session, tenant: str) -> list[UUID]:
    """Cancel a tenant's jobs that have no batch, as `cancel_job` does one of them."""
    alone = (col(Job.tenant) == tenant, col(Job.batch_id).is_(None))
    return _detach(session, alone, JobState.CANCELED)


def detach_late(session: Session, where: Collection[Any], **values: Any) -> list[UUID]:
    """Fail the open jobs that match (a deadline that passed), and stop what only they wanted."""
    return _detach(session, where, JobState.FAILED, **values)


def messages_of(session: Session, generation_ids: Collection[UUID]) -> list[UUID]:
    """Return those of these generations that have a message: only these are worth a revocation.

    Of a large sheet at most the window has any.
    """
    statement = select(col(Generation.id)).where(
        among(Generation.id, generation_ids), col(Generation.published_at).is_not(None)
    )
    return list(session.execute(statement).scalars())


def _detach(
    session: Session,
    where: Collection[Any],
    state: JobState,
    batch_id: UUID | None = None,
    **values: Any,
) -> list[UUID]:
    # The lock comes before the look at the waiters: a request that is joining holds the same
    # row until its job is visible (core.lifecycle.submission).
    wanted = select(col(Job.generation_id)).where(*where, col(Job.state).in_(OPEN_JOB))
    candidates = lock_generations(
        session, col(Generation.id).in_(wanted), col(Generation.state).in_(IN_FLIGHT)
    )
    # Before its jobs, or the last of them would complete it.
    canceled = _cancel_row(session, batch_id) if batch_id is not None else False
    # Only of the locked: a job that came to match since then would leave its work running.
    settle_jobs(session, [*where, among(Job.generation_id, candidates)], state, **values)
    if canceled:
        _record_events(session, col(Batch.id) == batch_id)
    waiting = select(col(Job.generation_id)).where(
        among(Job.generation_id, candidates), col(Job.state).in_(OPEN_JOB)
    )
    stopped = session.execute(
        change(Generation, GenerationState.CANCELED)
        .where(among(Generation.id, candidates), col(Generation.id).notin_(waiting))
        .values(lease_owner=None, lease_expires_at=None)
        .returning(col(Generation.id))
    ).scalars()
    return list(stopped)


def _cancel_row(session: Session, batch_id: UUID) -> bool:
    """Cancel a batch alone; return whether it was still running."""
    statement = change(Batch, BatchState.CANCELED).where(col(Batch.id) == batch_id)
    return session.execute(statement.returning(col(Batch.id))).first() is not None


def _record_events(session: Session, batch: ColumnElement[bool]) -> None:
    """Record the event of a cancelled batch, as it is now that its jobs are cancelled."""
    rows = session.execute(select(*BatchChange.columns(Batch)).where(batch))
    events.record(
        session, state=JobState.CANCELED, jobs=(), batches=[BatchChange.of(row) for row in rows]
    )
