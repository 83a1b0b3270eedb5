"""Which queued generations get a message next: tenants take turns, and in each the tenant's keys.

A sheet of a hundred thousand rows waits in Postgres, not in Redis: of each tenant's queued
generations at most a window has messages in a lane, so another tenant's are never far behind. The
tenant's keys share the window. What a key with next to nothing in a lane asks for goes to the
lane's first queue, as long as all such keys of the tenant have next to nothing there together.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import chain, groupby, zip_longest
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.locks import lock_generations
from core.db.models import NO_KEY, Generation
from core.domain.lanes import FIRST, Lane, Message
from core.domain.states import GenerationState
from core.lifecycle import backlogs
from core.lifecycle.loads import DUE, Load, busy_in_first, load_everywhere, load_of_tenant
from core.lifecycle.shares import firsts, take_turns

MOST = 1000
"""Messages of one pass; the next pass goes on."""


def take_waiting(
    session: Session, *, window: int, republish_seconds: float, limit: int = MOST
) -> Sequence[Message]:
    """Pick queued generations that have no message yet, and mark them published.

    Publish them after the commit, and where that fails call `unmark_published`.

    Args:
        session: An open transaction.
        window: Most queued generations of a tenant in a lane that have messages; what goes to the
            first queue goes there in any case.
        republish_seconds: How long a fresh row may wait for the request that inserted it to
            publish it.
        limit: Most rows in one pass.

    Returns:
        The messages, in turns of the tenants, and of each tenant's keys.
    """
    loads = load_everywhere(session, window=window, republish_seconds=republish_seconds)
    portions: list[Sequence[Message]] = []
    for _, keys in groupby(loads, key=lambda load: (load.lane, load.tenant)):
        room = limit - sum(map(len, portions))
        portions.append(_portion(session, list(keys), window, room, republish_seconds))
    messages = _in_turns(portions)
    note_published(session, messages)
    return messages


def _portion(
    session: Session, loads: Sequence[Load], window: int, room: int, republish_seconds: float
) -> Sequence[Message]:
    """Take what a tenant's keys may send to a lane now, at most `room`."""
    at_once = firsts(loads)
    free = window - sum(load.sent for load in loads)
    first = [load for load in at_once for _ in range(load.due)]
    others = take_turns([load for load in loads if load not in at_once], free)
    turns = [*first, *others][:room]
    rows = {
        load.api_key_id: iter(_take(session, load, count, republish_seconds))
        for load, count in Counter(turns).items()
    }
    # A row that somebody else has locked is left out: its key has a turn less.
    taken = [(next(rows[load.api_key_id], None), load) for load in turns]
    return [Message(row, load.lane, load in at_once) for row, load in taken if row is not None]


def _in_turns(portions: Sequence[Sequence[Message]]) -> Sequence[Message]:
    rounds = zip_longest(*portions)
    return [message for message in chain.from_iterable(rounds) if message is not None]


def _take(session: Session, load: Load, count: int, republish_seconds: float) -> Sequence[UUID]:
    """Lock the oldest of a key's that have their turn; what came back to the queue goes first."""
    taken = _take_due(session, load, count, republish_seconds)
    left = count - len(taken)
    if left == 0:
        return taken
    further = backlogs.take(
        session, lane=load.lane, tenant=load.tenant, api_key_id=load.api_key_id, count=left
    )
    return [*taken, *further]


def _take_due(session: Session, load: Load, count: int, republish_seconds: float) -> Sequence[UUID]:
    statement = (
        select(col(Generation.id))
        .where(
            col(Generation.state) == GenerationState.QUEUED,
            col(Generation.lane) == load.lane,
            col(Generation.tenant) == load.tenant,
            col(Generation.api_key_id) == load.api_key_id,
            col(Generation.backlog_id).is_(None),
            col(Generation.published_at).is_(None),
            text(DUE).bindparams(republish_seconds=republish_seconds),
        )
        # By id, said so that the index is already in this order: all of these moments are empty.
        .order_by(col(Generation.published_at), col(Generation.id))
        .limit(count)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return list(session.execute(statement).scalars())


def split(
    session: Session,
    tenant: str,
    generations: Iterable[tuple[UUID, Lane]],
    *,
    window: int,
    api_key_id: UUID = NO_KEY,
) -> tuple[Sequence[Message], Sequence[UUID]]:
    """Decide which of a request's new generations it publishes itself, and to which queue.

    Args:
        session: An open transaction.
        tenant: Whose they are.
        generations: The new ones, each with its lane.
        window: Most queued generations of the tenant in a lane that have messages; what goes to
            the first queue goes there in any case.
        api_key_id: Whose request it is.

    Returns:
        Its messages; and those that have to wait for their turn.
    """
    by_lane: dict[Lane, list[UUID]] = {}
    for identity, lane in generations:
        by_lane.setdefault(lane, []).append(identity)
    messages: list[Message] = []
    waiting: list[UUID] = []
    for lane, ids in by_lane.items():
        loads = load_of_tenant(session, tenant, lane, window=window)
        first = _room_in_first(loads, api_key_id)
        count = max(first, window - sum(load.sent for load in loads))
        messages += [
            Message(identity, lane, place < first) for place, identity in enumerate(ids[:count])
        ]
        waiting += ids[count:]
    return messages, waiting


def _room_in_first(loads: Sequence[Load], api_key_id: UUID) -> int:
    """Return how many more a key may send to the first queue."""
    if any(load.api_key_id == api_key_id and not load.small for load in loads):
        return 0
    return max(0, FIRST - busy_in_first(loads))


def mark_published(session: Session, messages: Collection[Message]) -> None:
    """Note that the messages of these new generations were sent.

    Those that were claimed and came back to the queue meanwhile are left alone: they need another
    message.
    """
    by_id = {message.generation_id: message for message in messages}
    fresh = lock_generations(
        session,
        among(Generation.id, by_id),
        col(Generation.not_before).is_(None),
        joinable=True,
    )
    note_published(session, [by_id[identity] for identity in fresh])


def unmark_published(session: Session, messages: Collection[Message]) -> None:
    """Leave generations to whoever feeds the queue: their messages were not sent, or not all.

    Those that workers have claimed meanwhile got theirs. A process that dies before it says so
    leaves rows that look published and have no messages: the sweeper misses them in the queue.
    """
    waiting = lock_generations(
        session,
        among(Generation.id, [message.generation_id for message in messages]),
        col(Generation.state) == GenerationState.QUEUED,
        joinable=True,
    )
    session.execute(
        update(Generation)
        .where(among(Generation.id, waiting))
        .values(published_at=None, not_before=func.coalesce(col(Generation.not_before), func.now()))
    )


def note_published(session: Session, messages: Collection[Message]) -> None:
    """Write when messages were sent, and to which queue; their rows are locked already."""
    for first in (True, False):
        ids = [message.generation_id for message in messages if message.first is first]
        if ids:
            session.execute(
                update(Generation)
                .where(among(Generation.id, ids))
                .values(published_at=func.now(), published_first=first, backlog_id=None)
            )


def release(session: Session, generation_ids: Collection[UUID]) -> None:
    """Leave new generations to whoever feeds the queue, from now on."""
    fresh = lock_generations(
        session,
        among(Generation.id, generation_ids),
        col(Generation.not_before).is_(None),
        joinable=True,
    )
    session.execute(
        update(Generation)
        .where(among(Generation.id, fresh))
        .values(not_before=func.now(), backlog_id=None)
    )
