"""How long images stay: what expires, what a budget pushes out, what somebody wants gone.

An image goes in three steps, and a crash between two of them is made good by the next pass: it is
marked (`doomed_at`: from then on nothing reads it), its object leaves S3, its row leaves Postgres.
What a job names that is not over for long stays, whatever the budget says: see `_named`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.locks import lock_images
from core.db.models import Batch, Generation, Image, Job, Rendition
from core.db.models.transitions import lose as fail_lost
from core.domain.states import IN_FLIGHT, BatchState, JobState
from core.errors import ImageLostError
from core.eviction import Policy
from core.lifecycle.approval import withdraw
from core.lifecycle.deduplication import FOR_EVER
from core.webhooks import events
from core.webhooks.events import JobChange

AT_ONCE = 1000
"""Images that one transaction marks or deletes."""


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """What the stored images of a deployment are kept within."""

    ttl_seconds: float
    """Age from which an image goes, by Postgres's clock; 0: never."""
    retention_seconds: float
    """How long after a job got its image the image stays, whatever the other limits say."""
    max_bytes: int
    """0: no limit."""
    max_images: int
    """0: no limit."""
    policy: Policy
    """Which images go first when one of the two is exceeded."""


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """An image that is marked."""

    image_id: UUID
    key: str
    shared: bool
    """Whether another image, which stays, has the same object."""
    renditions: Sequence[str]
    """Keys of what was made of it."""


def expire(session: Session, limits: ImageLimits) -> Counter[str]:
    """Mark what is too old, and what answers no further request and is named by no result.

    Returns:
        How many were marked, by tenant; at most `AT_ONCE`.
    """
    unused = ~col(Image.reusable)
    if limits.ttl_seconds != FOR_EVER:
        age = timedelta(seconds=limits.ttl_seconds)
        unused = or_(unused, col(Image.created_at) <= func.now() - age)
    candidates = session.execute(
        select(col(Image.id))
        .where(stays(), unused, ~_named(limits.retention_seconds))
        .limit(AT_ONCE)
    ).scalars()
    return doom(session, list(candidates), named=_named(limits.retention_seconds))


def evict(session: Session, limits: ImageLimits) -> Counter[str]:
    """Mark as much as the budgets are exceeded by, in the order of the policy.

    An image counts with what was made of it.

    Returns:
        How many were marked, by tenant; at most `AT_ONCE`, so call it until none was.
    """
    images, size = session.execute(
        select(func.count(), func.coalesce(func.sum(col(Image.size)), 0)).where(stays())
    ).one()
    made = session.execute(
        select(func.coalesce(func.sum(col(Rendition.size)), 0))
        .join(Image, col(Image.id) == col(Rendition.image_id))
        .where(stays())
    ).scalar_one()
    too_many = images - limits.max_images if limits.max_images else 0
    too_large = int(size + made) - limits.max_bytes if limits.max_bytes else 0
    if too_many <= 0 and too_large <= 0:
        return Counter()
    victims: list[UUID] = []
    candidates = session.execute(
        select(col(Image.id), col(Image.size) + _size_of_renditions())
        .where(stays(), ~_named(limits.retention_seconds))
        .order_by(*_FIRST_OUT[limits.policy])
        .limit(AT_ONCE)
    )
    for identity, image_size in candidates:
        if too_many <= 0 and too_large <= 0:
            break
        victims.append(identity)
        too_many, too_large = too_many - 1, too_large - image_size
    return doom(session, victims, named=_named(limits.retention_seconds))


def _size_of_renditions() -> ColumnElement[int]:
    """Add up what was made of an image, in a query of images."""
    size = select(func.coalesce(func.sum(col(Rendition.size)), 0))
    return size.where(col(Rendition.image_id) == col(Image.id)).scalar_subquery()


_FIRST_OUT: Mapping[Policy, Sequence[Any]] = {
    Policy.LRU: [col(Image.last_used_at), col(Image.id)],
    Policy.LFU: [col(Image.uses), col(Image.last_used_at), col(Image.id)],
    Policy.FIFO: [col(Image.created_at), col(Image.id)],
    Policy.LIFO: [col(Image.created_at).desc(), col(Image.id).desc()],
    Policy.RANDOM: [func.random()],
}
"""What `core.eviction` does in memory, as ORDER BY."""


def stays() -> ColumnElement[bool]:
    """Match images that nothing has marked."""
    return col(Image.doomed_at).is_(None)


def _named(retention_seconds: float) -> ColumnElement[bool]:
    """Match images that a job still names: its batch runs, or it got its image not long ago."""
    recent = col(Job.finished_at) > func.now() - timedelta(seconds=retention_seconds)
    running = select(col(Batch.id)).where(
        col(Batch.id) == col(Job.batch_id), col(Batch.state) == BatchState.RUNNING
    )
    named = select(col(Job.id)).where(
        col(Job.image_id) == col(Image.id), or_(recent, running.exists())
    )
    return named.exists()


def doom(
    session: Session, candidates: Collection[UUID], *, named: ColumnElement[bool]
) -> Counter[str]:
    """Mark those of these images that nobody names, nor is about to.

    Args:
        session: An open transaction.
        candidates: The images' ids.
        named: Matches images that a job names so that they stay.

    Returns:
        How many were marked, by tenant.
    """
    if not candidates:
        return Counter()
    # A request that is being answered with an image holds it until its job is committed. Only
    # after our lock can no further job name it, so only then is the question who does worth asking.
    locked = lock_images(session, among(Image.id, candidates), stays(), against_jobs=True)
    return mark(session, among(Image.id, locked), ~named)


def mark(session: Session, *where: ColumnElement[bool]) -> Counter[str]:
    """Mark the images that match, whoever names them; return how many, by tenant."""
    marked = session.execute(
        update(Image)
        .where(*where, stays())
        .values(doomed_at=func.now(), reusable=False)
        .returning(col(Image.tenant))
    ).scalars()
    return Counter(marked)


def lose(session: Session, image_id: UUID) -> None:
    """Mark an image whose object is missing or damaged, and fail the jobs that name it.

    They can be retried, and what was said of their image is taken back; whoever hears of them is
    told. What is marked already stays as it is.
    """
    if not mark(session, col(Image.id) == image_id):
        return
    withdraw(session, image_id)
    made_by = select(col(Image.generation_id)).where(col(Image.id) == image_id).scalar_subquery()
    changed = session.execute(
        fail_lost(Job)
        .where(col(Job.image_id) == image_id)
        .values(
            image_id=None,
            # One that store answered has none; a retry makes the image as that one did.
            generation_id=func.coalesce(col(Job.generation_id), made_by),
            error_code=ImageLostError.code,
            error_message=ImageLostError().detail,
        )
        .returning(*JobChange.columns(Job))
    ).all()
    events.record(session, state=JobState.FAILED, jobs=[JobChange.of(row) for row in changed])


def doomed(session: Session) -> Sequence[Doomed]:
    """Return marked images, at most `AT_ONCE`: delete their objects, then call `forget`."""
    other = aliased(Image)
    shares = select(col(other.id)).where(
        col(other.key) == col(Image.key),
        col(other.id) != col(Image.id),
        col(other.doomed_at).is_(None),
    )
    statement = (
        select(col(Image.id), col(Image.key), shares.exists())
        .where(col(Image.doomed_at).is_not(None))
        .order_by(col(Image.doomed_at))
        .limit(AT_ONCE)
    )
    marked = session.execute(statement).all()
    made = _renditions(session, [identity for identity, _, _ in marked])
    return [
        Doomed(image_id=identity, key=key, shared=shared, renditions=made[identity])
        for identity, key, shared in marked
    ]


def _renditions(session: Session, image_ids: Collection[UUID]) -> Mapping[UUID, Sequence[str]]:
    keys = defaultdict(list)
    statement = select(col(Rendition.image_id), col(Rendition.key))
    for identity, key in session.execute(statement.where(among(Rendition.image_id, image_ids))):
        keys[identity].append(key)
    return keys


def forget(session: Session, image_ids: Collection[UUID]) -> None:
    """Delete the rows of marked images whose objects are gone, and of what was made of them.

    Their jobs have no image from then on.
    """
    session.execute(update(Job).where(among(Job.image_id, image_ids)).values(image_id=None))
    session.execute(
        delete(Image).where(among(Image.id, image_ids), col(Image.doomed_at).is_not(None))
    )


def orphans(session: Session, objects: Mapping[str, UUID]) -> list[str]:
    """Return the keys of objects that will never have a row.

    Those are objects of work that is over, which it did not record: of a worker that died or was
    cancelled between storing and recording. Work that is not known here is another deployment's.

    Args:
        session: An open transaction.
        objects: By key, the generation that stored it.
    """
    over = session.execute(
        select(col(Generation.id)).where(
            among(Generation.id, set(objects.values())),
            col(Generation.state).not_in(IN_FLIGHT),
        )
    ).scalars()
    ended = set(over)
    known = session.execute(
        select(col(Image.key)).where(col(Image.key) == func.any(list(objects)))
    ).scalars()
    made = session.execute(
        select(col(Rendition.key)).where(col(Rendition.key) == func.any(list(objects)))
    ).scalars()
    recorded = {*known, *made}
    return [key for key, work in objects.items() if work in ended and key not in recorded]
