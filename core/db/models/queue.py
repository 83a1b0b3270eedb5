"""The queue: workers that empty it, and backlogs that housekeeping sends."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from core.db.models.columns import created, enum_type, identity
from core.domain.lanes import Lane


class Backlog(SQLModel, table=True):
    """Images of one request, or of a model that had no worker, whose messages housekeeping sends.

    It is committed with them, so nobody looks for those of a sheet that comes in; and deleted when
    none of them waits any more.
    """

    __tablename__ = "backlog"
    __table_args__ = (Index("ix_backlog_turn", "lane", "tenant", "api_key_id", "id"),)

    id: UUID = identity()
    lane: Lane = Field(sa_type=enum_type(Lane))
    tenant: str
    api_key_id: UUID
    bundle_revision: str
    """The model that all of them wait for."""


class Worker(SQLModel, table=True):
    """A model that a worker process serves, as it last announced."""

    __tablename__ = "worker"
    # The feeder asks several times a second who is there.
    __table_args__ = (Index("ix_worker_seen", "seen_at", "bundle_revision"),)

    name: str = Field(primary_key=True)
    """Its node name in Celery, and the owner of its leases."""
    bundle_revision: str = Field(primary_key=True)
    """A bundle that it makes images from, loaded or not: it has a row for each."""
    seen_at: datetime = created()
    images_per_call: float | None = None
    """Images that lately shared a UNet call, on average."""
    """By Postgres's clock."""
