"""Worker processes: which model each of them computes with."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from core.db.models.columns import created


class Worker(SQLModel, table=True):
    """One worker process, as it last announced itself."""

    __tablename__ = "worker"
    # The feeder asks several times a second who is there.
    __table_args__ = (Index("ix_worker_seen", "seen_at", "bundle_revision"),)

    name: str = Field(primary_key=True)
    """Its node name in Celery, and the owner of its leases."""
    bundle_revision: str
    """The bundle that it makes images from."""
    seen_at: datetime = created()
    """By Postgres's clock."""
