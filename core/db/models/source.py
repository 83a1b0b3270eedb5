"""Sources: photographs that came in, in S3 as they came, and the addresses of some."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import Moment, created, identity, moment

_LIVE = "stored_at is not null and doomed_at is null"


class Source(SQLModel, table=True):
    """One photograph of a tenant; its bytes never change, and are never changed."""

    __tablename__ = "source"
    __table_args__ = (
        # The same bytes once; those on their way, and those on their way out, do not count.
        Index("uq_source_digest", "tenant", "digest", unique=True, postgresql_where=text(_LIVE)),
        Index("ix_source_listed", "tenant", "id"),
        # How many bytes a tenant has, those that are on their way included.
        Index(
            "ix_source_held",
            "tenant",
            postgresql_include=["size"],
            postgresql_where=text("doomed_at is null"),
        ),
        # What is too old.
        Index("ix_source_last_used_at", "last_used_at"),
        # What is deleted next, and what never arrived; nearly always empty.
        Index(
            "ix_source_leaving",
            "created_at",
            postgresql_where=text("stored_at is null or doomed_at is not null"),
        ),
    )

    id: UUID = identity()
    tenant: str
    key: str
    """Object key in the bucket."""
    digest: str
    """SHA-256 of the bytes, hex; the ETag."""
    size: int
    """Bytes."""
    content_type: str
    """The media type, told by the bytes."""
    width: int
    """Pixels as they are stored: a camera that was turned is not taken into account."""
    height: int
    file_name: str = ""
    """What it was called where it came from; empty: nobody said."""
    cutout_keys: list[str] = Field(
        default_factory=list,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'[]'")},
    )
    """Object keys of its cut-outs, which go with it."""
    created_at: datetime = created()
    last_used_at: datetime = created()
    """When somebody last sent it, or asked for what is made of it: its age counts from then."""
    stored_at: Moment = moment()
    """When S3 had it; empty: its bytes are on their way, or never arrived."""
    doomed_at: Moment = moment()
    """When it was deleted: nobody finds it from then on, and the eraser takes it away."""


class FetchedAddress(SQLModel, table=True):
    """What an address gave a tenant when it was last asked; it goes with its photograph."""

    __tablename__ = "fetched_address"
    __table_args__ = (UniqueConstraint("tenant", "address_digest"),)

    id: UUID = identity()
    tenant: str
    address_digest: str
    """SHA-256 of the address, hex: addresses may be longer than an index takes."""
    address: str
    """In its plain form: see `core.egress.url`."""
    source_id: UUID = Field(foreign_key="source.id", ondelete="CASCADE", index=True)
    etag: str | None = None
    """What the server called this version, to be asked whether it still is."""
    last_modified: str | None = None
    """The same, as its date."""
    fresh_until: datetime = Field(sa_type=DateTime(timezone=True))
    """Until when it need not be asked."""
    created_at: datetime = created()
