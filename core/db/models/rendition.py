"""Renditions: an image as a sales channel wants it, in S3."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from core.db.models.columns import created, identity


class Rendition(SQLModel, table=True):
    """One stored file; its bytes never change. It goes with its image."""

    __tablename__ = "rendition"
    __table_args__ = (UniqueConstraint("image_id", "channel", "spec"),)

    id: UUID = identity()
    image_id: UUID = Field(foreign_key="image.id", ondelete="CASCADE")
    channel: str
    """A name in `catalogue.channels`; no enum: presets come and go."""
    spec: str
    """Digest of what it was made by; with another one it is made again."""
    key: str = Field(unique=True)
    """Object key in the bucket."""
    content_type: str
    digest: str
    """SHA-256 of the bytes, hex; the ETag."""
    size: int
    """Bytes."""
    width: int
    height: int
    upscaled: float | None = None
    """By how much, where the channel's minimum asked for more pixels than there were."""
    ground: str
    """What its background is: `white` or `kept`."""
    fill: float | None = None
    """Share of the frame's side that the product takes, where the channel cares."""
    unclear: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    """Whether its background was made white although the product can hardly be told from it."""
    created_at: datetime = created()
