"""What is told of a batch that is under way, as it is read from Postgres."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, not_, null, or_, select
from sqlmodel import Session, col

from api.schemas.batches import Counts
from api.schemas.events import FinishedJob, ProgressEvent, StageCounts
from api.waiting.snapshots import Snapshot
from core.db.models import Batch, Generation, Job
from core.domain.states import OPEN_JOB, BatchState, JobState

PAGE = 500
"""Most finished jobs in one event."""
LONGEST_TRANSACTION = timedelta(minutes=10)
"""What began before has ended: statements have two minutes, idle transactions five. So what is
older and seems not to have, was restored from a database that counted transactions on its own."""


@dataclass(frozen=True, kw_only=True)
class BatchMoment:
    """A batch at one moment."""

    state: BatchState
    snapshot: Snapshot
    ends: int
    """Sum over the transactions that finished its jobs: it changes whenever one does."""
    progress: ProgressEvent


def read_progress(session: Session, batch_id: UUID) -> BatchMoment | None:
    """Count a batch's jobs, in one statement; None: it was deleted."""
    stage = _stage()
    statement = (
        select(
            col(Batch.state),
            col(Batch.total_jobs),
            # Of the statement's own snapshot: what it counts is what that shows.
            select(cast(func.pg_current_snapshot(), Text)).scalar_subquery(),
            col(Job.state),
            stage,
            func.count(col(Job.id)),
            func.sum(func.coalesce(col(Job.finished_xid), 0)),
        )
        .outerjoin(Job, col(Job.batch_id) == col(Batch.id))
        .outerjoin(
            Generation,
            and_(col(Generation.id) == col(Job.generation_id), col(Job.state).in_(OPEN_JOB)),
        )
        .where(col(Batch.id) == batch_id, col(Batch.deleted_at).is_(None))
        .group_by(col(Batch.state), col(Batch.total_jobs), col(Job.state), stage)
    )
    rows = session.execute(statement).all()
    if not rows:
        return None
    states, stages, ends = Counter[str](), Counter[str](), 0
    state, total, snapshot, *_ = rows[0]
    for *_, job_state, stage_name, number, sum_of_ends in rows:
        if job_state is not None:
            states[job_state.value] += number
        if stage_name is not None:
            stages[stage_name] += number
        ends += int(sum_of_ends)
    return BatchMoment(
        state=state,
        snapshot=Snapshot.read(snapshot),
        ends=ends,
        progress=ProgressEvent(
            state=state, total=total, counts=Counts(**states), stages=StageCounts(**stages)
        ),
    )


def _stage() -> ColumnElement[str | None]:
    """Return how far an open job has come, a field of `StageCounts`; null of others."""
    return case(
        (col(Job.state).not_in(OPEN_JOB), null()),
        (col(Job.state) == JobState.RUNNING, "computing"),
        (col(Generation.not_before) > func.now(), "delayed"),
        (col(Generation.published_at).is_(None), "waiting"),
        else_="sent",
    )


def read_finished(
    session: Session,
    batch_id: UUID,
    *,
    seen: Snapshot | None,
    now: Snapshot,
    after: int = -1,
    limit: int = PAGE,
) -> list[FinishedJob]:
    """Return jobs of a batch that one snapshot shows as finished and an earlier one did not.

    Args:
        session: An open session.
        batch_id: Of the batch.
        seen: The earlier one; None: nothing was seen.
        now: The later one, taken before this call.
        after: Position in the sheet behind which to begin.
        limit: Most of them, in the sheet's order.
    """
    statement = select(*(col(getattr(Job, name)) for name in FinishedJob.model_fields)).where(
        col(Job.batch_id) == batch_id,
        col(Job.position) > after,
        col(Job.state).not_in(OPEN_JOB),
        or_(_seen_by(now), col(Job.finished_at) < func.now() - LONGEST_TRANSACTION),
    )
    # A number that no transaction here can have is of another cluster.
    if seen is not None and seen.xmax <= now.xmax:
        statement = statement.where(not_(_seen_by(seen)))
    rows = session.execute(statement.order_by(col(Job.position)).limit(limit))
    return [FinishedJob(**row._mapping) for row in rows]


def _seen_by(snapshot: Snapshot) -> ColumnElement[bool]:
    number = func.coalesce(col(Job.finished_xid), 0)
    ended = and_(number < snapshot.xmax, number.not_in(sorted(snapshot.running)))
    return or_(number < snapshot.xmin, ended)
