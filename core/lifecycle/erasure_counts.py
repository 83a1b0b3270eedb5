"""What an erasure takes with it, counted before it does."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Image, Job, Rendition, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class ErasureCounts:
    """How much goes, and how much stays because others use it."""

    jobs: int = 0
    images: int = 0
    renditions: int = 0
    kept_images: int = 0
    events: int = 0


def count_job(session: Session, job_id: UUID) -> ErasureCounts:
    """Count what goes with one job."""
    return _count(session, (col(Job.id) == job_id), col(WebhookEvent.job_id) == job_id)


def count_batch(session: Session, batch_id: UUID) -> ErasureCounts:
    """Count what goes with a batch."""
    return _count(session, col(Job.batch_id) == batch_id, col(WebhookEvent.batch_id) == batch_id)


def count_images(session: Session, image_ids: Collection[UUID]) -> ErasureCounts:
    """Count what goes with images that go whoever uses them."""
    return ErasureCounts(images=len(image_ids), renditions=_number(session, _renditions(image_ids)))


def _count(
    session: Session, jobs: ColumnElement[bool], events: ColumnElement[bool]
) -> ErasureCounts:
    other = aliased(Job)
    theirs = select(col(Job.id)).where(jobs)
    used = select(col(Job.image_id)).where(jobs, col(Job.image_id).is_not(None))
    shared = select(col(other.id)).where(
        col(other.image_id) == col(Image.id), col(other.id).not_in(theirs)
    )
    images = session.execute(
        select(col(Image.id), shared.exists()).where(
            col(Image.id).in_(used), col(Image.doomed_at).is_(None)
        )
    ).all()
    alone = [identity for identity, is_shared in images if not is_shared]
    return ErasureCounts(
        jobs=_number(session, theirs),
        images=len(alone),
        renditions=_number(session, _renditions(alone)),
        kept_images=len(images) - len(alone),
        events=_number(session, select(col(WebhookEvent.id)).where(events)),
    )


def _renditions(images: Collection[UUID]) -> Select[UUID]:
    return select(col(Rendition.id)).where(among(Rendition.image_id, images))


def _number(session: Session, rows: Select[UUID]) -> int:
    return int(session.execute(select(func.count()).select_from(rows.subquery())).scalar_one())
