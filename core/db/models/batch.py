"""Batches: one sheet each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import Moment, created, enum_type, identity, moment
from core.domain.lanes import Lane
from core.domain.states import BatchState


class Batch(SQLModel, table=True):
    """One accepted sheet."""

    __tablename__ = "batch"
    __table_args__ = (
        Index("ix_batch_tenant_id", "tenant", "id"),
        # How much a key has open.
        Index("ix_batch_open_key", "api_key_id", postgresql_where=text("state = 'running'")),
        # What the eraser deletes next: what somebody deleted, and what is too old.
        Index("ix_batch_deleted", "deleted_at", postgresql_where=text("deleted_at is not null")),
        Index("ix_batch_finished", "finished_at", postgresql_where=text("finished_at is not null")),
    )

    id: UUID = identity()
    tenant: str
    api_key_id: UUID | None = None
    """Who sent it."""
    name: str = ""
    """The file's name, for people."""
    lane: Lane = Field(sa_type=enum_type(Lane))
    state: BatchState = Field(
        default=BatchState.RUNNING,
        sa_type=enum_type(BatchState),
    )
    columns: list[str] = Field(default_factory=list, sa_type=JSONB)
    """The sheet's columns in its order, for the results sheet."""
    warnings: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    """What was accepted but looks wrong: `{line, column, message}`, and with `note`, which is
    true, what is right and good to know."""
    reading: dict[str, Any] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )
    """How its sheet was read: see `catalogue.sheets.model.Reading`. Empty: before that was kept."""
    recipe: str | None = None
    """The recipe that it was made with: `name@version`."""
    require_approval: bool = Field(
        default=False, sa_column_kwargs={"server_default": text("false")}
    )
    """Whether its jobs' images are given out only when somebody has approved them."""
    total_jobs: int
    open_jobs: int
    """Jobs that are not finished; the change that makes it 0 completes the batch."""
    callback_url: str | None = None
    """Where its progress and its end are told, beside the tenant's endpoints."""
    events: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Webhook events about it and its jobs so far: the last one's sequence number."""
    progress_at: Moment = moment()
    """When its progress was last told."""
    created_at: datetime = created()
    finished_at: Moment = moment()
    deleted_at: Moment = moment()
    """When somebody deleted it: nobody sees it from then on, and the eraser deletes its rows."""
