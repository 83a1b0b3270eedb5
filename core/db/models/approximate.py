"""The approximate cache's index: prompts that were drawn, and the latents kept on the way."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from core.db.models.columns import Moment, created, moment

EMBEDDING_WIDTH = 1024
"""Features of an embedding in the index; narrower ones are filled up with zeros, which changes no
cosine."""


class ApproximateEntry(SQLModel, table=True):
    """One computed image whose beginning others may take over."""

    __tablename__ = "approximate_entry"
    __table_args__ = (
        Index("ix_approximate_entry_scope", "tenant", "scope"),
        Index(
            "ix_approximate_entry_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "halfvec_cosine_ops"},
        ),
    )

    generation_id: UUID = Field(primary_key=True)
    job_id: UUID | None = None
    """A job that it was computed for, to name in answers."""
    tenant: str
    """Nobody else's requests see the entry."""
    scope: str
    """Digest of all that decides an image but its prompt: requests see entries of their own."""
    bundle_revision: str
    prompt: str
    """In its canonical form."""
    embedding: Any = Field(sa_type=HALFVEC(EMBEDDING_WIDTH), nullable=False)
    """The prompt's, of length 1."""
    created_at: datetime = created()


class ApproximateLatents(SQLModel, table=True):
    """The latents of an entry after some steps, as an object in S3."""

    __tablename__ = "approximate_latents"

    generation_id: UUID = Field(
        primary_key=True, foreign_key="approximate_entry.generation_id", ondelete="CASCADE"
    )
    step: int = Field(primary_key=True)
    """Steps that they spare."""
    key: str = Field(unique=True)
    """Object key in the bucket."""
    digest: str
    """SHA-256 of the object's bytes, hex."""
    size: int
    """Bytes."""
    hits: int = 1
    """Images that began with them; keeping them counts as the first."""
    created_at: datetime = created()
    last_hit_at: Moment = moment()
