"""What the sweeper does: lost work is queued again, lost messages are sent again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, or_, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.locks import lock_generations
from core.db.models import Generation, Job
from core.db.models.transitions import change
from core.domain.lanes import Lane, Message
from core.domain.states import GenerationState, JobState
from core.errors import DeadlineExceededError, WorkerLostError
from core.lifecycle.cancellation import detach_late
from core.lifecycle.completion import fail_where
from core.lifecycle.feeding import note_published


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """Generations whose lease had run out."""

    queued: Sequence[UUID]
    """Those that are tried again."""
    failed: Sequence[UUID]
    """Those that lost their last worker."""


def recover_expired(session: Session, *, max_attempts: int) -> Recovered:
    """Take back generations whose lease ran out: queue them again, or fail the poisonous."""
    # What is locked is being finished, renewed or recovered by somebody else this moment.
    expired = among(
        Generation.id,
        lock_generations(
            session,
            col(Generation.state) == GenerationState.RUNNING,
            col(Generation.lease_expires_at) < func.now(),
            skip_locked=True,
        ),
    )
    failed = fail_where(
        session, [expired, col(Generation.attempts) >= max_attempts], WorkerLostError()
    )
    statement = (
        change(Generation, GenerationState.QUEUED)
        .where(expired)
        .values(lease_owner=None, lease_expires_at=None, published_at=None, not_before=func.now())
        .returning(col(Generation.id))
    )
    queued = list(session.execute(statement).scalars())
    session.execute(change(Job, JobState.QUEUED).where(among(Job.generation_id, queued)))
    return Recovered(queued=queued, failed=failed)


def expire_deadlines(session: Session) -> list[UUID]:
    """Fail jobs whose deadline has passed.

    Returns:
        The generations that nobody waits for any more.
    """
    error = DeadlineExceededError()
    return detach_late(
        session,
        [col(Job.deadline_at) < func.now()],
        error_code=error.code,
        error_message=error.detail,
    )


def take_lost(
    session: Session,
    *,
    empty_queues: Collection[tuple[Lane, bool]],
    republish_seconds: float,
    limit: int = 1000,
) -> Sequence[Message]:
    """Pick queued generations whose message was lost in Redis, and mark them published again.

    Publish them after the commit, and where that fails call `feeding.unmark_published`.

    Args:
        session: An open transaction.
        empty_queues: Lanes, and whether it is the lane's first queue, that are empty in Redis:
            what was sent there and still waits was lost with it. In the others, what later
            messages have overtaken was lost.
        republish_seconds: How long a sent message may be on its way to a worker.
        limit: Most rows in one pass.
    """
    long_ago = func.now() - timedelta(seconds=republish_seconds)
    lost = [
        and_(
            col(Generation.lane) == lane,
            col(Generation.published_first) == first,
            col(Generation.published_at) < long_ago,
        )
        for lane, first in empty_queues
    ]
    overtaken = [
        and_(
            col(Generation.lane) == lane,
            col(Generation.published_first) == first,
            col(Generation.published_at) < published_at,
            col(Generation.published_at) < long_ago,
        )
        for lane, first, published_at in _overtakers(session, long_ago)
    ]
    statement = (
        select(col(Generation.id), col(Generation.lane), col(Generation.published_first))
        .where(col(Generation.state) == GenerationState.QUEUED, or_(false(), *lost, *overtaken))
        .order_by(col(Generation.id))
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    taken = [Message(*row) for row in session.execute(statement)]
    note_published(session, taken)
    return taken


def _overtakers(
    session: Session, long_ago: ColumnElement[datetime]
) -> Sequence[tuple[Lane, bool, datetime]]:
    """Return, by queue, when the newest message was sent whose image runs since `long_ago`.

    A queue is first in, first out: an older message that still waits was lost on its way.
    """
    queue = (col(Generation.lane), col(Generation.published_first))
    statement = (
        select(*queue, func.max(col(Generation.published_at)))
        .where(
            col(Generation.state) == GenerationState.RUNNING,
            col(Generation.started_at) < long_ago,
            col(Generation.published_at).is_not(None),
        )
        .group_by(*queue)
    )
    return [(lane, first, sent) for lane, first, sent in session.execute(statement)]


def forget_published(session: Session) -> int:
    """Note that Redis lost its data: every queued generation needs its message again.

    Returns:
        How many they are.
    """
    result = session.execute(
        update(Generation)
        .where(
            col(Generation.state) == GenerationState.QUEUED,
            col(Generation.published_at).is_not(None),
        )
        .values(published_at=None, not_before=func.coalesce(col(Generation.not_before), func.now()))
    )
    return int(result.rowcount)  # type: ignore[attr-defined]
