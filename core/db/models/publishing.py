"""Publishing: the stores of a tenant, runs that put images into them, and what was there before."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, LargeBinary, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import Moment, created, enum_type, identity, moment
from core.domain.states import PublishItemState, PublishState
from core.domain.stores import Placement, StoreKind


class PublishTarget(SQLModel, table=True):
    """A store that a tenant publishes into."""

    __tablename__ = "publish_target"
    __table_args__ = (
        Index(
            "uq_publish_target_name",
            "tenant",
            "name",
            unique=True,
            postgresql_where=text("deleted_at is null"),
        ),
    )

    id: UUID = identity()
    tenant: str
    name: str
    kind: StoreKind = Field(sa_type=enum_type(StoreKind))
    address: str
    """The store's, without a path of its API."""
    credentials: bytes | None = Field(default=None, sa_type=LargeBinary)
    """Encrypted: see `core.publishing.credentials`. Empty: the target was deleted."""
    deleted_at: Moment = moment()
    """A deleted one stays for its runs; without credentials nothing can be undone."""
    created_at: datetime = created()


class PublishRun(SQLModel, table=True):
    """One batch's images on their way into one store."""

    __tablename__ = "publish_run"
    __table_args__ = (
        Index("ix_publish_run_tenant", "tenant", "id"),
        # What the publisher looks through: runs that nobody waits for are not in it.
        Index(
            "ix_publish_run_due",
            "target_id",
            "id",
            postgresql_where=text("state in ('planning', 'running', 'undoing')"),
        ),
    )

    id: UUID = identity()
    tenant: str
    target_id: UUID = Field(foreign_key="publish_target.id")
    batch_id: UUID
    """No foreign key: a run outlives its batch, so that it can be undone."""
    placement: Placement = Field(sa_type=enum_type(Placement))
    channel: str | None = None
    """Whose renditions are published; empty: the images themselves."""
    state: PublishState = Field(default=PublishState.PLANNING, sa_type=enum_type(PublishState))
    error: str | None = None
    """Why it does not get on; empty as soon as it does."""
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    """Times it was claimed; also the fence against a publisher that lost its claim."""
    failures: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    """Claims in a row that ended because the store was away."""
    not_before: datetime = Field(
        default=None,
        sa_type=DateTime(timezone=True),
        sa_column_kwargs={"server_default": func.now(), "nullable": False},
    )
    """When it may be claimed; while somebody has it, when that counts as lost."""
    created_at: datetime = created()
    started_at: Moment = moment()
    """When somebody let it change the store."""
    finished_at: Moment = moment()


class PublishItem(SQLModel, table=True):
    """What a publish run changes of one product."""

    __tablename__ = "publish_item"
    __table_args__ = (Index("ix_publish_item_run", "run_id", "position"),)

    id: UUID = identity()
    tenant: str
    run_id: UUID = Field(foreign_key="publish_run.id", ondelete="CASCADE")
    position: int
    """Place in its run, from 0."""
    product: str | None = None
    """The store's own id; empty: it has no product with the SKU."""
    title: str = ""
    """As the store has it."""
    images: list[dict[str, Any]] = Field(sa_type=JSONB)
    """What is to be added, in order: see `core.publishing.records.ImageToPublish`."""
    before: list[dict[str, Any]] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    """What the product had, in order: `{id, alt}`. Of a plan until the run begins with it."""
    began_at: Moment = moment()
    """When the run began to change it: `before` is never written again."""
    state: PublishItemState = Field(
        default=PublishItemState.PLANNED, sa_type=enum_type(PublishItemState)
    )
    error: str | None = None
    created_at: datetime = created()
    finished_at: Moment = moment()
