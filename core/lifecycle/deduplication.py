"""Deduplication: stored images that answer, and running work to join, before anything is queued."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Uuid, and_, case, delete, func, null, select, update
from sqlmodel import Session, col

from core.db.arrays import among, values_table
from core.db.locks import lock_generations, lock_images
from core.db.models import Generation, Image
from core.domain.lanes import Lane
from core.domain.states import IN_FLIGHT, GenerationState

FOR_EVER = 0.0
"""A time to live that never ends."""


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image that answers a request."""

    image_id: UUID
    seconds: float | None
    """What computing it took: see `core.db.models.Generation`."""


@dataclass(kw_only=True)
class Answers:
    """What answers each fingerprint that was asked for."""

    images: dict[str, StoredImage] = field(default_factory=dict)
    generations: dict[str, UUID] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    """Fingerprints of the generations that are new, in the order in which they were asked for."""
    joined: list[UUID] = field(default_factory=list)
    """Generations that were in flight already."""

    def without(self, names: Sequence[str]) -> list[str]:
        """Return those of these names that nothing answers yet."""
        return [one for one in names if one not in self.images and one not in self.generations]


def find_or_queue(
    session: Session,
    tenant: str,
    exact: Mapping[str, str],
    queue: Callable[[Sequence[str]], Mapping[str, UUID]],
    *,
    ttl_seconds: float | None,
) -> Answers:
    """Find what answers each fingerprint, and queue the others.

    Args:
        session: An open transaction.
        tenant: Whose; nothing of another tenant is looked at.
        exact: What is asked for: the exact image's fingerprint, which answers too, by the one
            that others join.
        queue: Inserts generations for some of these unless one is in flight; returns those that
            it inserted.
        ttl_seconds: The age from which a stored image answers no more, `FOR_EVER` for none; None:
            no stored image answers.
    """
    look = partial(_look_up, session, tenant, exact, ttl_seconds=ttl_seconds)
    answers = Answers(images=look(exact))
    missing = answers.without(list(exact))
    while missing:
        new = dict(queue(missing))
        # A generation that finished between the look-up and the insert left its image behind.
        finished = look(new)
        if finished:
            discarded = [new.pop(name) for name in finished]
            session.execute(delete(Generation).where(among(Generation.id, discarded)))
        joined = join_in_flight(session, tenant, [name for name in missing if name not in new])
        answers.images |= finished
        answers.generations |= new | joined
        answers.joined += joined.values()
        answers.created += [name for name in missing if name in new]
        missing = answers.without(missing)
        # What was running a moment ago and is not now has ended: look again.
        answers.images |= look(missing)
        missing = answers.without(missing)
    return answers


def _look_up(
    session: Session,
    tenant: str,
    exact: Mapping[str, str],
    names: Iterable[str],
    *,
    ttl_seconds: float | None,
) -> dict[str, StoredImage]:
    """Find the stored images that answer some of these names: see `find_or_queue`."""
    if ttl_seconds is None:
        return {}
    wanted = {name: exact[name] for name in names}
    found = find_stored(session, tenant, wanted.keys() | wanted.values(), ttl_seconds=ttl_seconds)
    # Who agrees to an approximate image is glad of an exact one.
    images = ((name, found.get(one) or found.get(name)) for name, one in wanted.items())
    return {name: image for name, image in images if image is not None}


def _usable(ttl_seconds: float) -> ColumnElement[bool]:
    """Match images that answer further requests; their age is taken by Postgres's clock."""
    if ttl_seconds == FOR_EVER:
        return and_(col(Image.reusable))
    young = col(Image.created_at) > func.now() - timedelta(seconds=ttl_seconds)
    return and_(col(Image.reusable), young)


def find_stored(
    session: Session,
    tenant: str,
    fingerprints: Iterable[str],
    *,
    ttl_seconds: float,
    lock: bool = True,
) -> dict[str, StoredImage]:
    """Find the image of each fingerprint, in one query.

    Until the transaction ends the janitor leaves them alone, if they are locked.

    Args:
        session: An open transaction.
        tenant: Whose; nothing of another tenant is looked at.
        fingerprints: Any number.
        ttl_seconds: The age from which an image answers no more; `FOR_EVER` for none.
        lock: Whether they are promised to somebody; otherwise nothing is written.
    """
    wanted = list(fingerprints)
    if not wanted:
        return {}
    statement = (
        select(col(Image.fingerprint), col(Image.id), col(Generation.seconds))
        .join(Generation, col(Generation.id) == col(Image.generation_id))
        .where(
            col(Image.tenant) == tenant,
            col(Image.fingerprint) == func.any(wanted),
            _usable(ttl_seconds),
        )
        # The newest last: it is the one that is kept below.
        .order_by(col(Image.created_at), col(Image.id))
    )
    if lock:
        statement = statement.with_for_update(of=Image, read=True, key_share=True)
    return {
        fingerprint: StoredImage(image_id=image_id, seconds=seconds)
        for fingerprint, image_id, seconds in session.execute(statement)
    }


def in_flight(session: Session, tenant: str, fingerprints: Iterable[str]) -> set[str]:
    """Find which of these fingerprints are being computed now, for everybody to join."""
    statement = select(col(Generation.fingerprint)).where(*_joinable(tenant, fingerprints))
    return set(session.execute(statement).scalars())


def join_in_flight(session: Session, tenant: str, fingerprints: Sequence[str]) -> dict[str, UUID]:
    """Find the running work of each fingerprint, and keep it from ending before our commit.

    Nothing else waits for that commit: the work is claimed, renewed and sent meanwhile.

    Returns:
        The generations, by fingerprint.
    """
    if not fingerprints:
        return {}
    statement = (
        select(col(Generation.fingerprint), col(Generation.id))
        .where(*_joinable(tenant, fingerprints))
        # By id, as in core.db.locks: a sheet that is cancelled locks the same rows.
        .order_by(col(Generation.id))
        .with_for_update(read=True, key_share=True)
    )
    return dict(session.execute(statement).all())


def _joinable(tenant: str, fingerprints: Iterable[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Generation.tenant) == tenant,
        col(Generation.fingerprint) == func.any(list(fingerprints)),
        col(Generation.state).in_(IN_FLIGHT),
        and_(col(Generation.reusable)),
    )


def lanes_after(lane: Lane) -> list[Lane]:
    """Return the lanes that are served later."""
    lanes = list(Lane)
    return lanes[lanes.index(lane) + 1 :]


def raise_lanes(session: Session, generation_ids: Collection[UUID], lane: Lane) -> list[UUID]:
    """Move work that waits in a lane served later than `lane` up to it.

    So whoever joins is not served later than if nobody had been there before. Called last: claims
    have to wait for what is moved until the transaction ends.

    Args:
        session: An open transaction, which has joined them.
        generation_ids: What was joined.
        lane: The request's.

    Returns:
        Those that wait for a worker: publish them in their new lane.
    """
    later = lanes_after(lane)
    if not later or not generation_ids:
        return []
    moving = lock_generations(
        session,
        among(Generation.id, generation_ids),
        col(Generation.lane).in_(later),
        joinable=True,
    )
    queued = col(Generation.state) == GenerationState.QUEUED
    statement = (
        update(Generation)
        .where(among(Generation.id, moving))
        .values(
            lane=lane,
            # Its message is in the old lane; should the new one be lost, the sweeper sends it.
            published_at=case((queued, null()), else_=col(Generation.published_at)),
            # A backlog is of one lane.
            backlog_id=None,
        )
        .returning(col(Generation.id), col(Generation.state))
    )
    moved = session.execute(statement).all()
    return [identity for identity, state in moved if state == GenerationState.QUEUED]


def note_uses(session: Session, uses: Mapping[UUID, int]) -> None:
    """Add to what the policies of eviction go by: how often an image answered, and when last."""
    if not uses:
        return
    lock_images(session, among(Image.id, list(uses)))
    given = values_table(
        id=(Uuid(), list(uses)),
        number=(Integer(), list(uses.values())),
    )
    session.execute(
        update(Image)
        .where(col(Image.id) == given.c.id)
        .values(uses=col(Image.uses) + given.c.number, last_used_at=func.now())
    )
