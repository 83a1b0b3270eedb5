"""Receipts: what was erased, when, and how much of it is left."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import SQLModel

from core.db.models.columns import Moment, created, identity, moment


class ErasureRecord(SQLModel, table=True):
    """One erasure that somebody asked for: ids and numbers, nothing of what was erased."""

    __tablename__ = "erasure_receipt"
    __table_args__ = (
        Index("ix_erasure_receipt_listed", "tenant", "id"),
        # What the eraser looks through; nearly always empty.
        Index(
            "ix_erasure_receipt_open",
            "created_at",
            postgresql_where=text("objects_gone_at is null"),
        ),
        # What is too old.
        Index("ix_erasure_receipt_created_at", "created_at"),
    )

    id: UUID = identity()
    tenant: str
    erased: str
    """Path of what was deleted."""
    batch_id: UUID | None = None
    """Of a batch, whose rows go by and by."""
    jobs: int = 0
    images: int = 0
    renditions: int = 0
    kept_images: int = 0
    events: int = 0
    photographs: int = 0
    created_at: datetime = created()
    """When it was asked for: from then on nobody finds any of it."""
    rows_gone_at: Moment = moment()
    """When no row of it was left, but those that only lead to objects."""
    objects_gone_at: Moment = moment()
    """When S3 had none of its images, renditions and photographs any more."""
