"""What requests leave to the housekeeping: opened with its rows, closed when none is left."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, select
from sqlmodel import Session, col

from core.lanes import Lane
from core.lifecycle.locks import lock_generations
from core.models import Backlog, Generation
from core.states import GenerationState


def open_backlog(session: Session, *, lane: Lane, tenant: str, api_key_id: UUID) -> UUID:
    """Make room for generations that the caller inserts in the same transaction."""
    backlog = Backlog(lane=lane, tenant=tenant, api_key_id=api_key_id)
    session.add(backlog)
    session.flush()
    return backlog.id


def take(
    session: Session, *, lane: Lane, tenant: str, api_key_id: UUID, count: int
) -> Iterator[UUID]:
    """Lock the oldest generations of a key's backlogs in a lane, at most `count`.

    What somebody else has locked is left out.
    """
    backlogs = select(col(Backlog.id)).where(
        col(Backlog.lane) == lane,
        col(Backlog.tenant) == tenant,
        col(Backlog.api_key_id) == api_key_id,
    )
    for backlog_id in session.execute(backlogs.order_by(col(Backlog.id))).scalars().all():
        taken = lock_generations(
            session, *_waits_in(backlog_id), skip_locked=True, joinable=True, limit=count
        )
        yield from taken
        count -= len(taken)
        if count == 0:
            return


def close_empty(session: Session) -> None:
    """Delete the backlogs in which nothing waits: all of it was sent, or is wanted no more."""
    session.execute(delete(Backlog).where(~exists().where(*_waits_in(col(Backlog.id)))))


def _waits_in(backlog_id: object) -> tuple[ColumnElement[bool], ...]:
    """Give the conditions of ix_generation_backlog, and which backlog it is."""
    return (
        col(Generation.backlog_id) == backlog_id,
        col(Generation.backlog_id).is_not(None),
        col(Generation.state) == GenerationState.QUEUED,
    )
