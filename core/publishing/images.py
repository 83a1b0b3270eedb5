"""Which images of a batch may leave for a store."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Image, Job
from core.domain.states import JobState
from core.lifecycle.approval import given_out, shown


def publishable(
    session: Session, tenant: str, batch_id: UUID, channel: str | None = None
) -> Sequence[tuple[Job, str]]:
    """Return the jobs of a batch whose images may be published, with the types of their files.

    In the order of its sheet; what has no SKU belongs to no product.

    Args:
        session: An open transaction.
        tenant: Whose batch it is.
        batch_id: The batch.
        channel: That takes them; None: any.
    """
    taken = () if channel is None else (col(Job.files).has_key(channel),)  # type: ignore[attr-defined]
    statement = (
        select(Job, col(Image.content_type))
        .join(Image, col(Image.id) == col(Job.image_id))
        .where(
            col(Job.tenant) == tenant,
            col(Job.batch_id) == batch_id,
            col(Job.sku) != "",
            *taken,
            *_releasable(),
        )
        .order_by(col(Job.position))
    )
    return [(job, content_type) for job, content_type in session.execute(statement).all()]


def still_publishable(session: Session, job_ids: Collection[UUID]) -> dict[UUID, Image]:
    """Return the images of those of some jobs that may be published at this moment."""
    statement = (
        select(col(Job.id), Image)
        .join(Image, col(Image.id) == col(Job.image_id))
        .where(among(Job.id, list(job_ids)), *_releasable())
        .execution_options(populate_existing=True)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def _releasable() -> tuple[ColumnElement[bool], ...]:
    return (
        col(Job.state) == JobState.SUCCEEDED,
        col(Image.doomed_at).is_(None),
        given_out(),
        shown(),
    )
