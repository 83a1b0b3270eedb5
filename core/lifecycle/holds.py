"""What a worker does with claims that it has: prove them, renew them, give them back."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.locks import lock_generations
from core.db.models import Generation, Job
from core.db.models.transitions import change
from core.domain.states import GenerationState, JobState
from core.lifecycle.claims import Claim


def held(session: Session, owner: str, generation_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return which of these generations `owner` still holds, and under which attempt."""
    statement = select(col(Generation.id), col(Generation.attempts)).where(
        among(Generation.id, generation_ids),
        *_running_at(owner),
    )
    return dict(session.execute(statement).all())


def _running_at(owner: str) -> tuple[ColumnElement[bool], ...]:
    """Return the WHERE clauses of what an owner holds."""
    return (
        col(Generation.lease_owner) == owner,
        col(Generation.state) == GenerationState.RUNNING,
    )


def holding(session: Session, given: Collection[Claim]) -> set[UUID]:
    """Return which of these claims still hold, by their generations."""
    statement = select(
        col(Generation.id), col(Generation.lease_owner), col(Generation.attempts)
    ).where(
        among(Generation.id, [one.generation_id for one in given]),
        col(Generation.state) == GenerationState.RUNNING,
    )
    fences = {tuple(row) for row in session.execute(statement)}
    return {
        one.generation_id for one in given if (one.generation_id, one.owner, one.attempt) in fences
    }


def state_of(session: Session, generation_id: UUID) -> GenerationState | None:
    """Return how a generation stands; None: there is none of this id."""
    return session.scalar(select(col(Generation.state)).where(col(Generation.id) == generation_id))


def renew(
    session: Session, owner: str, generation_ids: Collection[UUID], *, lease_seconds: float
) -> list[UUID]:
    """Extend the leases of generations that made progress since the last call.

    Returns:
        Those that were extended: what another transaction is changing is left for the next time.
    """
    renewed = lock_generations(
        session,
        among(Generation.id, generation_ids),
        *_running_at(owner),
        skip_locked=True,
        joinable=True,
    )
    session.execute(
        update(Generation)
        .where(among(Generation.id, renewed))
        .values(lease_expires_at=func.now() + timedelta(seconds=lease_seconds))
    )
    return renewed


def hand_back(
    session: Session, claim: Claim, *, published: bool, delay_seconds: float = 0.0
) -> bool:
    """Return a generation to the queue untouched: the attempt does not count.

    Args:
        session: An open transaction.
        claim: The hold to give up.
        published: Whether its message goes back to Redis by itself (a rejected delivery).
        delay_seconds: How long nobody takes it; only where the sweeper publishes it.

    Returns:
        Whether the claim still held.
    """
    back = _requeue(
        session, *claim.fence(), attempt=-1, published=published, delay_seconds=delay_seconds
    )
    return bool(back)


def hand_back_all(session: Session, owner: str) -> int:
    """Return all that `owner` holds to the queue untouched, and give its number.

    For an owner that is about to end: messages stay with it, so the sweeper sends others.
    """
    locked = lock_generations(session, *_running_at(owner))
    return len(_requeue(session, among(Generation.id, locked), attempt=-1))


def retry_later(session: Session, claim: Claim, *, delay_seconds: float) -> bool:
    """Return a generation to the queue after a failure: the attempt counts.

    The sweeper publishes it when the delay is over.
    """
    return bool(_requeue(session, *claim.fence(), delay_seconds=delay_seconds))


def _requeue(
    session: Session,
    *where: ColumnElement[bool],
    attempt: int = 0,
    published: bool = False,
    delay_seconds: float = 0.0,
) -> Sequence[UUID]:
    statement = (
        change(Generation, GenerationState.QUEUED)
        .where(*where)
        .values(
            attempts=col(Generation.attempts) + attempt,
            lease_owner=None,
            lease_expires_at=None,
            # It keeps its place in the lane, and so the moment by which that is told.
            published_at=func.coalesce(col(Generation.published_at), func.now())
            if published
            else None,
            not_before=func.now() + timedelta(seconds=delay_seconds),
        )
        .returning(col(Generation.id))
    )
    requeued = session.scalars(statement).all()
    if requeued:
        session.execute(change(Job, JobState.QUEUED).where(among(Job.generation_id, requeued)))
    return requeued
