"""Which queued generations get a message next: tenants take turns, and each has a bounded window.

A sheet of a hundred thousand rows waits in Postgres, not in Redis: of each tenant's queued
generations at most a window has messages in a lane, so another tenant's are never far behind.
What a tenant with next to nothing in a lane asks for goes to the lane's first queue.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from itertools import chain, zip_longest
from uuid import UUID

from sqlalchemy import Select, func, select, text, update
from sqlmodel import Session, col

from core.lanes import FIRST, Lane, Message
from core.lifecycle.locks import among, lock_generations
from core.models import Generation
from core.states import GenerationState

# Jumps from tenant to tenant through ix_generation_queued, whatever number of rows each has; the
# messages of each are counted only up to its window.
_WAITING = text(
    """
    with recursive queuer(lane, tenant) as (
        (
            select lane, tenant from generation
            where state = 'queued' order by lane, tenant limit 1
        )
        union all
        select next.lane, next.tenant
        from queuer, lateral (
            select lane, tenant from generation
            where state = 'queued' and (lane, tenant) > (queuer.lane, queuer.tenant)
            order by lane, tenant limit 1
        ) next
    )
    select lane, tenant, (
        select count(*) from (
            select 1 from generation
            where state = 'queued' and lane = queuer.lane and tenant = queuer.tenant
            and published_at is not null limit :window
        ) sent
    ) as sent
    from queuer
    """
)

MOST = 1000
"""Messages of one pass; the next pass goes on."""


def take_waiting(
    session: Session, *, window: int, republish_seconds: float, limit: int = MOST
) -> Sequence[Message]:
    """Pick queued generations that have no message yet, and mark them published.

    Publish them before the commit: when that fails, the rollback keeps them for the next pass.

    Args:
        session: An open transaction.
        window: Most queued generations of a tenant in a lane that have messages.
        republish_seconds: How long a fresh row may wait for the request that inserted it to
            publish it.
        limit: Most rows in one pass.

    Returns:
        The messages, in turns of the tenants.
    """
    portions: list[Sequence[Message]] = []
    for lane, tenant, sent in session.execute(_WAITING, {"window": window}).all():
        room = min(window - sent, limit - sum(map(len, portions)))
        if room > 0:
            portions.append(_take(session, Lane(lane), tenant, sent, room, republish_seconds))
    rounds = zip_longest(*portions)
    messages = [message for message in chain.from_iterable(rounds) if message is not None]
    note_published(session, messages)
    return messages


def _take(
    session: Session, lane: Lane, tenant: str, sent: int, room: int, republish_seconds: float
) -> Sequence[Message]:
    statement = (
        select(col(Generation.id))
        .where(
            col(Generation.state) == GenerationState.QUEUED,
            col(Generation.lane) == lane,
            col(Generation.tenant) == tenant,
            col(Generation.published_at).is_(None),
            # A row that was never claimed has no `not_before` where its own request publishes it.
            func.coalesce(
                col(Generation.not_before),
                col(Generation.created_at) + timedelta(seconds=republish_seconds),
            )
            <= func.now(),
        )
        # By id, said so that the index is already in this order: all of these moments are empty.
        .order_by(col(Generation.published_at), col(Generation.id))
        .limit(room)
        .with_for_update(skip_locked=True)
    )
    found = list(session.execute(statement).scalars())
    first = sent + len(found) <= FIRST < room
    return [Message(identity, lane, first) for identity in found]


def split(
    session: Session,
    tenant: str,
    generations: Iterable[tuple[UUID, Lane]],
    *,
    window: int,
) -> tuple[Sequence[Message], Sequence[UUID]]:
    """Decide which of a request's new generations it publishes itself, and to which queue.

    Returns:
        Its messages; and those that have to wait for their turn.
    """
    by_lane: dict[Lane, list[UUID]] = {}
    for identity, lane in generations:
        by_lane.setdefault(lane, []).append(identity)
    messages: list[Message] = []
    waiting: list[UUID] = []
    for lane, ids in by_lane.items():
        room = window - count_sent(session, tenant, lane, limit=window)
        busy = window - room + _count_running(session, tenant, lane)
        sent = ids[: max(0, room)]
        messages += [
            Message(identity, lane, busy + place <= FIRST)
            for place, identity in enumerate(sent, start=1)
        ]
        waiting += ids[len(sent) :]
    return messages, waiting


def count_sent(session: Session, tenant: str, lane: Lane, *, limit: int) -> int:
    """Count a tenant's queued generations in a lane that have messages, up to a limit."""
    sent = (
        select(col(Generation.id))
        .where(
            col(Generation.state) == GenerationState.QUEUED,
            col(Generation.lane) == lane,
            col(Generation.tenant) == tenant,
            col(Generation.published_at).is_not(None),
        )
        .limit(limit)
    )
    return _count(session, sent)


def _count_running(session: Session, tenant: str, lane: Lane) -> int:
    """Count a tenant's running generations in a lane, as far as it matters."""
    running = (
        select(col(Generation.id))
        .where(
            col(Generation.state) == GenerationState.RUNNING,
            col(Generation.lane) == lane,
            col(Generation.tenant) == tenant,
        )
        .limit(FIRST)
    )
    return _count(session, running)


def _count(session: Session, rows: Select[UUID]) -> int:
    counted = select(func.count()).select_from(rows.subquery())
    return int(session.execute(counted).scalar_one())


def mark_published(session: Session, messages: Collection[Message]) -> None:
    """Note that the messages of these new generations were sent.

    Those that were claimed and came back to the queue meanwhile are left alone: they need another
    message.
    """
    by_id = {message.generation_id: message for message in messages}
    fresh = lock_generations(
        session, among(Generation.id, by_id), col(Generation.not_before).is_(None)
    )
    note_published(session, [by_id[identity] for identity in fresh])


def note_published(session: Session, messages: Collection[Message]) -> None:
    """Write when messages were sent, and to which queue; their rows are locked already."""
    for first in (True, False):
        ids = [message.generation_id for message in messages if message.first is first]
        if ids:
            session.execute(
                update(Generation)
                .where(among(Generation.id, ids))
                .values(published_at=func.now(), published_first=first)
            )


def release(session: Session, generation_ids: Collection[UUID]) -> None:
    """Leave new generations to whoever feeds the queue, from now on."""
    fresh = lock_generations(
        session, among(Generation.id, generation_ids), col(Generation.not_before).is_(None)
    )
    session.execute(
        update(Generation).where(among(Generation.id, fresh)).values(not_before=func.now())
    )
