"""What the sweeper does: lost work is queued again, lost messages are sent again."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlmodel import Session, col

from core.errors import DeadlineExceededError, WorkerLostError
from core.lanes import Lane
from core.lifecycle.cancellation import detach_late
from core.lifecycle.locks import among, lock_generations
from core.lifecycle.settlement import fail_where
from core.models import Generation, Job
from core.states import GenerationState, JobState, change


def recover_expired(session: Session, *, max_attempts: int) -> list[UUID]:
    """Take back generations whose lease ran out: queue them again, or fail the poisonous.

    Returns:
        Those that were queued again.
    """
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
    fail_where(session, [expired, col(Generation.attempts) >= max_attempts], WorkerLostError())
    statement = (
        change(Generation, GenerationState.QUEUED)
        .where(expired)
        .values(lease_owner=None, lease_expires_at=None, published_at=None, not_before=func.now())
        .returning(col(Generation.id))
    )
    recovered = list(session.execute(statement).scalars())
    session.execute(change(Job, JobState.QUEUED).where(among(Job.generation_id, recovered)))
    return recovered


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


def take_unpublished(
    session: Session,
    *,
    empty_lanes: Collection[Lane],
    republish_seconds: float,
    limit: int = 1000,
) -> Sequence[tuple[UUID, Lane]]:
    """Pick queued generations that have no message in Redis, and mark them published.

    Publish them before the commit: when that fails, the rollback keeps them for the next pass.

    Args:
        session: An open transaction.
        empty_lanes: Lanes whose queue is empty in Redis: what was sent there and still waits
            was lost with it. In the others, what later messages have overtaken was lost.
        republish_seconds: How long a sent message may be on its way to a worker, and a fresh row
            may wait for the request that inserted it to publish it.
        limit: Most rows in one pass.
    """
    long_ago = func.now() - timedelta(seconds=republish_seconds)
    lost = and_(col(Generation.lane).in_(empty_lanes), col(Generation.published_at) < long_ago)
    overtaken = [
        and_(
            col(Generation.lane) == lane,
            col(Generation.published_at) < published_at,
            col(Generation.published_at) < long_ago,
        )
        for lane, published_at in _overtakers(session, long_ago)
    ]
    unsent = and_(
        col(Generation.published_at).is_(None),
        # A row that was never claimed has none: give the request that inserted it some time.
        func.coalesce(
            col(Generation.not_before),
            col(Generation.created_at) + timedelta(seconds=republish_seconds),
        )
        <= func.now(),
    )
    statement = (
        select(col(Generation.id), col(Generation.lane))
        .where(col(Generation.state) == GenerationState.QUEUED, or_(unsent, lost, *overtaken))
        .order_by(col(Generation.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = [(identity, lane) for identity, lane in session.execute(statement)]
    _mark_published(session, [identity for identity, _ in taken])
    return taken


def _overtakers(
    session: Session, long_ago: ColumnElement[datetime]
) -> Sequence[tuple[Lane, datetime]]:
    """Tell, by lane, when the newest message was sent whose image runs since `long_ago`.

    A lane is first in, first out: an older message that still waits was lost on its way.
    """
    statement = (
        select(col(Generation.lane), func.max(col(Generation.published_at)))
        .where(
            col(Generation.state) == GenerationState.RUNNING,
            col(Generation.started_at) < long_ago,
            col(Generation.published_at).is_not(None),
        )
        .group_by(col(Generation.lane))
    )
    return [(lane, published_at) for lane, published_at in session.execute(statement)]


def mark_published(session: Session, generation_ids: Collection[UUID]) -> None:
    """Note that the messages of these new generations were sent.

    Those that were claimed and came back to the queue meanwhile are left alone: they need another
    message.
    """
    _mark_published(
        session,
        lock_generations(
            session, among(Generation.id, generation_ids), col(Generation.not_before).is_(None)
        ),
    )


def _mark_published(session: Session, generation_ids: Collection[UUID]) -> None:
    session.execute(
        update(Generation)
        .where(among(Generation.id, generation_ids))
        .values(published_at=func.now())
    )


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
