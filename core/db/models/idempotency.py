"""Answers to requests that came with an Idempotency-Key."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import created


class IdempotencyRecord(SQLModel, table=True):
    """One answer, to be given again when the same request comes again."""

    __tablename__ = "idempotency_record"
    # What is too old.
    __table_args__ = (Index("ix_idempotency_record_created_at", "created_at"),)

    api_key_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    """The caller's."""
    digest: str
    """SHA-256 of the request, hex."""
    status: int
    headers: list[list[str]] = Field(default_factory=list, sa_type=JSONB)
    """Names and values."""
    body: bytes | None = None
    """Empty: it was too long, or a secret."""
    created_at: datetime = created()
