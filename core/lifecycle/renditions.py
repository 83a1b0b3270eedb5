"""Renditions as transactions: found, recorded once, lost. They go with their image."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Image, Rendition


def find(session: Session, image_id: UUID, channel: str, spec: str) -> Rendition | None:
    """Find what an image became for a channel."""
    statement = select(Rendition).where(
        col(Rendition.image_id) == image_id,
        col(Rendition.channel) == channel,
        col(Rendition.spec) == spec,
    )
    found: Rendition | None = session.execute(statement).scalar_one_or_none()
    return found


def find_all(
    session: Session, image_ids: Sequence[UUID], specs: Mapping[str, str]
) -> dict[tuple[UUID, str], Rendition]:
    """Find what images became for some channels, by image and channel, in one query.

    Args:
        session: An open transaction.
        image_ids: The images.
        specs: By channel, what its renditions are made by today.
    """
    if not image_ids or not specs:
        return {}
    rows = session.execute(
        select(Rendition).where(
            among(Rendition.image_id, image_ids), col(Rendition.channel).in_(specs)
        )
    ).scalars()
    return {(row.image_id, row.channel): row for row in rows if row.spec == specs[row.channel]}


def record(session: Session, rendition: Rendition) -> Rendition | None:
    """Insert a rendition whose object is stored.

    Returns:
        The row that is there from now on: this one, or that of somebody who was first, whose
        object is another. None: the image is on its way out, and nothing was inserted.
    """
    stays = session.execute(
        select(col(Image.id))
        .where(col(Image.id) == rendition.image_id, col(Image.doomed_at).is_(None))
        .with_for_update(read=True, key_share=True)
    ).first()
    if stays is None:
        return None
    table = Rendition.__table__  # type: ignore[attr-defined]
    session.execute(
        upsert(table)
        .values(**rendition.model_dump(exclude={"created_at"}))
        .on_conflict_do_nothing(index_elements=["image_id", "channel", "spec"])
    )
    return find(session, rendition.image_id, rendition.channel, rendition.spec)


def lose(session: Session, rendition_id: UUID) -> None:
    """Delete the row of a rendition whose object is not in S3 any more: it can be made again."""
    session.execute(delete(Rendition).where(col(Rendition.id) == rendition_id))
