"""Images: what lies in S3."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from core.models.columns import created, identity


class Image(SQLModel, table=True):
    """One stored image; its bytes never change."""

    __tablename__ = "image"
    __table_args__ = (Index("ix_image_tenant_fingerprint", "tenant", "fingerprint"),)

    id: UUID = identity()
    tenant: str
    fingerprint: str
    generation_id: UUID = Field(foreign_key="generation.id", index=True)
    key: str
    """Object key in the bucket."""
    content_type: str
    digest: str
    """SHA-256 of the bytes, hex; the ETag."""
    size: int
    """Bytes."""
    width: int
    height: int
    seed: int = Field(sa_type=BigInteger)
    created_at: datetime = created()
