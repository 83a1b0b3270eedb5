"""What requests leave to the housekeeping, and what waits for a model that no worker serves.

A backlog is opened with its rows, and closed when none is left.
"""

from collections.abc import Collection, Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.locks import lock_generations
from core.db.models import Backlog, Generation
from core.domain.lanes import Lane
from core.domain.states import GenerationState
from core.lifecycle.serving import abandoned

Group = tuple[Lane, str, UUID, str]
"""Lane, tenant, key and revision: what a backlog is of."""


def open_backlog(
    session: Session, *, lane: Lane, tenant: str, api_key_id: UUID, bundle_revision: str
) -> UUID:
    """Make room for generations of a model that the caller puts there in the same transaction."""
    backlog = Backlog(
        lane=lane, tenant=tenant, api_key_id=api_key_id, bundle_revision=bundle_revision
    )
    session.add(backlog)
    session.flush()
    return backlog.id


def take(
    session: Session, *, lane: Lane, tenant: str, api_key_id: UUID, count: int
) -> Iterator[UUID]:
    """Lock the oldest generations of a key's backlogs in a lane, at most `count`.

    What somebody else has locked is left out, and what waits for a model that no worker serves.
    """
    backlogs = select(col(Backlog.id)).where(
        col(Backlog.lane) == lane,
        col(Backlog.tenant) == tenant,
        col(Backlog.api_key_id) == api_key_id,
        ~abandoned(col(Backlog.bundle_revision)),
    )
    for backlog_id in session.execute(backlogs.order_by(col(Backlog.id))).scalars().all():
        taken = lock_generations(
            session, *_waits_in(backlog_id), skip_locked=True, joinable=True, limit=count
        )
        yield from taken
        count -= len(taken)
        if count == 0:
            return


def set_aside(session: Session, *, limit: int = 1000) -> int:
    """Move what waits for a model that no worker serves into backlogs of that model.

    There it costs nothing, and is sent as soon as a worker serves it again.

    Args:
        session: An open transaction.
        limit: Most rows in one pass.

    Returns:
        How many were moved.
    """
    statement = (
        select(
            *(col(Generation.id), col(Generation.lane), col(Generation.tenant)),
            *(col(Generation.api_key_id), col(Generation.bundle_revision)),
        )
        .where(
            col(Generation.state) == GenerationState.QUEUED,
            col(Generation.backlog_id).is_(None),
            abandoned(col(Generation.bundle_revision)),
        )
        # The order of ix_generation_queued, so that no plan reads the table instead.
        .order_by(
            *(col(Generation.lane), col(Generation.tenant), col(Generation.api_key_id)),
            *(col(Generation.published_at), col(Generation.id)),
        )
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    groups: dict[Group, list[UUID]] = {}
    for identity, lane, tenant, api_key_id, revision in session.execute(statement):
        groups.setdefault((lane, tenant, api_key_id, revision), []).append(identity)
    for group, ids in groups.items():
        put_back(session, group, ids)
    return sum(map(len, groups.values()))


def put_back(session: Session, group: Group, generation_ids: Collection[UUID]) -> None:
    """Move queued generations that are locked to a backlog of their own."""
    lane, tenant, api_key_id, revision = group
    backlog = open_backlog(
        session, lane=lane, tenant=tenant, api_key_id=api_key_id, bundle_revision=revision
    )
    session.execute(
        update(Generation)
        .where(among(Generation.id, generation_ids))
        # Due as soon as its turn comes; the request that inserted it publishes it no more.
        .values(backlog_id=backlog, published_at=None, not_before=func.now())
    )


def close_empty(session: Session) -> None:
    """Delete the backlogs in which nothing waits: all of it was sent, or is wanted no more."""
    session.execute(delete(Backlog).where(~exists().where(*_waits_in(col(Backlog.id)))))


def _waits_in(backlog_id: object) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of ix_generation_backlog, and which backlog it is."""
    return (
        col(Generation.backlog_id) == backlog_id,
        col(Generation.backlog_id).is_not(None),
        col(Generation.state) == GenerationState.QUEUED,
    )
