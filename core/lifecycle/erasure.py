"""Erasure: batches and jobs leave with all that only they use.

What other jobs of the tenant use stays as long as they do: an image, and the record of the
computation that made it. What nobody uses any more goes in the steps of `core.lifecycle.retention`:
an image is marked, and the janitor deletes its object and its row. The record of a computation is
scrubbed, and its empty row stays for a while: by it the objects are found that a worker stores
whose claim has just ended.

Everything here works on a portion of rows, in a transaction of its own: whoever calls it goes on
until nothing is left.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlmodel import Session, col

from core import idempotency
from core.db.arrays import among
from core.db.locks import lock_generations
from core.db.models import NO_KEY, Batch, Generation, Image, Job, WebhookEvent
from core.domain.states import IN_FLIGHT, OPEN_JOB
from core.lifecycle import approximation, retention
from core.links import batch_path, job_path

JOBS = 1000
"""Jobs that one transaction deletes."""

BATCHES = 100
"""Batches that one transaction looks at."""

EVENTS = 5000
"""Webhook events that one transaction deletes, with their deliveries."""

GENERATIONS = 5000
"""Records of computations that one transaction looks at."""

ERASED: dict[str, Any] = {
    "tenant": "",
    "api_key_id": NO_KEY,
    "fingerprint": "",
    "exact_fingerprint": None,
    "approximate_scope": None,
    "approximation": None,
    "prompt": "",
    "negative_prompt": "",
    "photograph": None,
    "channels": [],
    "error_message": None,
}
"""What is left of a computation's record: when it ran, and that it is over."""


@dataclass(frozen=True, kw_only=True)
class Portion:
    """What one transaction erased."""

    jobs: int = 0
    batches: int = 0
    events: int = 0
    images: int = 0
    """Which no other job uses: they are marked, and deleted by the janitor."""
    latents: Sequence[str] = field(default=())
    """Keys of objects, which are to be deleted after the commit."""

    def __bool__(self) -> bool:
        return bool(self.jobs or self.batches or self.events)


def visible(batch_id: Any) -> ColumnElement[bool]:
    """Match jobs, by their batch's id, unless somebody deleted the batch."""
    deleted = select(col(Batch.id)).where(
        col(Batch.id) == col(batch_id), col(Batch.deleted_at).is_not(None)
    )
    return ~deleted.exists()


def hide_batch(session: Session, batch_id: UUID) -> None:
    """Hide a cancelled or completed batch from everybody; its rows are erased by and by."""
    session.execute(
        update(Batch)
        .where(col(Batch.id) == batch_id, col(Batch.deleted_at).is_(None))
        .values(
            deleted_at=func.now(),
            name="",
            columns=[],
            warnings=[],
            reading={},
            recipe=None,
            callback_url=None,
        )
    )


def hidden_batches(session: Session, tenant: str | None = None) -> Sequence[UUID]:
    """Lock some batches that somebody deleted, the longest ago first; None: of any tenant."""
    of_tenant = () if tenant is None else (col(Batch.tenant) == tenant,)
    return _lock_batches(session, Batch.deleted_at, col(Batch.deleted_at).is_not(None), *of_tenant)


def old_batches(session: Session, *, seconds: float) -> Sequence[UUID]:
    """Lock some batches that ended more than so many seconds ago, the oldest first."""
    return _lock_batches(session, Batch.finished_at, _before(Batch.finished_at, seconds))


def _lock_batches(session: Session, order: Any, *where: ColumnElement[bool]) -> Sequence[UUID]:
    statement = select(col(Batch.id)).where(*where).order_by(col(order)).limit(BATCHES)
    locked: Sequence[UUID] = (
        session.execute(statement.with_for_update(skip_locked=True)).scalars().all()
    )
    return locked


def old_jobs(session: Session, *, seconds: float) -> Sequence[UUID]:
    """Find some jobs without a batch that ended more than so many seconds ago, oldest first."""
    statement = select(col(Job.id)).where(
        col(Job.batch_id).is_(None), _before(Job.finished_at, seconds)
    )
    found: Sequence[UUID] = (
        session.execute(statement.order_by(col(Job.finished_at)).limit(JOBS)).scalars().all()
    )
    return found


def _before(column: Any, seconds: float) -> ColumnElement[bool]:
    return col(column) < func.now() - timedelta(seconds=seconds)


def erase_batches(session: Session, batch_ids: Collection[UUID], *, images: bool) -> Portion:
    """Erase a portion of locked batches, which have ended: events, then jobs, at last themselves.

    Args:
        session: An open transaction.
        batch_ids: What `hidden_batches` or `old_batches` gave.
        images: Whether images that no other job has go, too. Otherwise they answer further requests
            for as long as the limits of the caches say.
    """
    events = _delete_events(session, among(WebhookEvent.batch_id, batch_ids))
    if events == EVENTS:
        return Portion(events=events)
    jobs = session.execute(
        select(col(Job.id)).where(among(Job.batch_id, batch_ids), _ended()).limit(JOBS)
    ).scalars()
    erased = erase_jobs(session, list(jobs), images=images)
    left = select(col(Job.id)).where(col(Job.batch_id) == col(Batch.id))
    gone = session.execute(
        delete(Batch).where(among(Batch.id, batch_ids), ~left.exists()).returning(col(Batch.id))
    ).scalars()
    deleted = list(gone)
    idempotency.forget(session, [batch_path(one) for one in deleted])
    return replace(erased, batches=len(deleted), events=erased.events + events)


def erase_jobs(session: Session, job_ids: Collection[UUID], *, images: bool) -> Portion:
    """Erase those of these jobs that have ended; their batches count as many jobs less.

    Args:
        session: An open transaction.
        job_ids: A portion; what somebody else is changing is left out.
        images: As in `erase_batches`.
    """
    mine = select(col(Job.id)).where(among(Job.id, job_ids), _ended()).order_by(col(Job.id))
    locked = session.execute(mine.with_for_update(skip_locked=True)).scalars().all()
    if not locked:
        return Portion()
    rows = session.execute(
        delete(Job)
        .where(among(Job.id, locked))
        .returning(col(Job.id), col(Job.batch_id), col(Job.generation_id), col(Job.image_id))
    ).all()
    idempotency.forget(session, [job_path(row.id) for row in rows])
    alone = [row.id for row in rows if row.batch_id is None]
    events = _delete_events(session, and_(col(WebhookEvent.batch_id).is_(None), _of_jobs(alone)))
    used = {row.image_id for row in rows if row.image_id is not None}
    made_by = {row.generation_id for row in rows if row.generation_id is not None}
    found = session.execute(
        select(col(Image.id), col(Image.generation_id)).where(
            among(Image.id, used) | among(Image.generation_id, made_by)
        )
    ).all()
    doomed = 0
    if images:
        named = select(col(Job.id)).where(col(Job.image_id) == col(Image.id))
        doomed = retention.doom(session, [row.id for row in found], named=named.exists()).total()
    latents = erase_generations(session, made_by | {row.generation_id for row in found})
    return Portion(jobs=len(rows), images=doomed, events=events, latents=latents)


def erase_job(session: Session, job_id: UUID) -> Portion:
    """Erase one job that has ended, out of its batch if it has one."""
    batch = select(col(Job.batch_id)).where(col(Job.id) == job_id).scalar_subquery()
    batch_id = session.execute(
        update(Batch)
        .where(col(Batch.id) == batch)
        .values(total_jobs=col(Batch.total_jobs) - 1)
        .returning(col(Batch.id))
    ).scalar_one_or_none()
    events = 0
    if batch_id is not None:
        of_batch = col(WebhookEvent.batch_id) == batch_id
        events = _delete_events(session, and_(of_batch, _of_jobs([job_id])))
    erased = erase_jobs(session, [job_id], images=True)
    return replace(erased, events=erased.events + events)


def erase_images(session: Session, image_ids: Collection[UUID]) -> Portion:
    """Erase images, whoever uses them, with renditions, latents and the events of their jobs.

    The jobs stay, without image.
    """
    jobs = session.execute(
        select(col(Job.id), col(Job.batch_id)).where(among(Job.image_id, image_ids))
    ).all()
    alone = [row.id for row in jobs if row.batch_id is None]
    of_batches = among(WebhookEvent.batch_id, {row.batch_id for row in jobs if row.batch_id})
    events = 0
    # Each of the two is found by an index of its own.
    for where in (
        and_(col(WebhookEvent.batch_id).is_(None), _of_jobs(alone)),
        and_(of_batches, _of_jobs([row.id for row in jobs])),
    ):
        while portion := _delete_events(session, where):
            events += portion
    made_by = select(col(Image.generation_id)).where(among(Image.id, image_ids))
    generations = list(session.execute(made_by).scalars())
    marked = retention.mark(session, among(Image.id, image_ids)).total()
    latents = approximation.forget_generations(session, generations)
    return Portion(images=marked, events=events, latents=latents)


def _ended() -> ColumnElement[bool]:
    return col(Job.state).not_in(OPEN_JOB)


def _of_jobs(job_ids: Collection[UUID]) -> ColumnElement[bool]:
    return among(WebhookEvent.job_id, job_ids)


def _delete_events(session: Session, where: ColumnElement[bool]) -> int:
    """Delete events with their deliveries, those on their way too: nobody is told any more."""
    ids = select(col(WebhookEvent.id)).where(where).limit(EVENTS)
    gone = session.execute(delete(WebhookEvent).where(col(WebhookEvent.id).in_(ids)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def erase_generations(session: Session, generation_ids: Collection[UUID]) -> list[str]:
    """Scrub the ended computations that no job and no image that stays needs.

    Returns:
        Keys of their latents, which are to be deleted after the commit.
    """
    stays = select(col(Image.id)).where(
        col(Image.generation_id) == col(Generation.id), col(Image.doomed_at).is_(None)
    )
    unused = lock_generations(
        session, among(Generation.id, generation_ids), *_unneeded(), ~stays.exists()
    )
    session.execute(update(Generation).where(among(Generation.id, unused)).values(**ERASED))
    return approximation.forget_generations(session, unused)


def _unneeded() -> tuple[ColumnElement[bool], ...]:
    waits = select(col(Job.id)).where(col(Job.generation_id) == col(Generation.id))
    return col(Generation.state).not_in(IN_FLIGHT), ~waits.exists()


def prune_generations(session: Session, *, after: UUID, seconds: float) -> tuple[UUID | None, int]:
    """Delete the records of computations, of some after this id, that nothing needs any more.

    Returns:
        The id after which the next call goes on, None after the last; and how many were deleted.
    """
    looked = select(col(Generation.id)).where(col(Generation.id) > after)
    ids = session.execute(looked.order_by(col(Generation.id)).limit(GENERATIONS)).scalars().all()
    has_image = select(col(Image.id)).where(col(Image.generation_id) == col(Generation.id))
    unused = lock_generations(
        session,
        among(Generation.id, ids),
        *_unneeded(),
        ~has_image.exists(),
        _before(Generation.finished_at, seconds),
        skip_locked=True,
    )
    session.execute(delete(Generation).where(among(Generation.id, unused)))
    return (ids[-1] if len(ids) == GENERATIONS else None), len(unused)
