"""Webhooks: who is told, what happened, and what became of telling it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import Moment, created, enum_type, identity, moment
from core.domain.states import DeliveryState


class SigningSecret(SQLModel):
    """What messages are signed with; after a change the one before signs too for a while."""

    secret: str
    """`whsec_` and base64: needed as it is, a hash could not sign."""
    previous_secret: str | None = None
    previous_until: Moment = moment()


class WebhookEndpoint(SigningSecret, table=True):
    """An address that a tenant wants to be told at."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        # Every transaction that finishes jobs asks it who listens.
        Index(
            "ix_webhook_endpoint_tenant",
            "tenant",
            "id",
            postgresql_where=text("deleted_at is null"),
        ),
    )

    id: UUID = identity()
    tenant: str
    url: str
    description: str = ""
    events: list[str] | None = Field(default=None, sa_type=ARRAY(String))
    """Types of events that it wants; empty: all."""
    failing_since: Moment = moment()
    """The first failure since the last success; empty while it works."""
    disabled_at: Moment = moment()
    disabled_reason: str | None = None
    deleted_at: Moment = moment()
    """A deleted one stays for its deliveries, until those are pruned."""
    created_at: datetime = created()


class CallbackSecret(SigningSecret, table=True):
    """What a tenant's callbacks are signed with."""

    __tablename__ = "callback_secret"

    tenant: str = Field(primary_key=True)
    created_at: datetime = created()


class WebhookEvent(SQLModel, table=True):
    """Something that happened and that somebody is told of; never changed."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        Index("ix_webhook_event_created_at", "created_at"),
        # What is erased with a batch, or with a job that has none.
        Index("ix_webhook_event_batch", "batch_id", postgresql_where=text("batch_id is not null")),
        Index(
            "ix_webhook_event_job",
            "job_id",
            postgresql_where=text("batch_id is null and job_id is not null"),
        ),
    )

    id: UUID = identity()
    tenant: str
    type: str
    """One of `core.webhooks.event_types.EventType`."""
    batch_id: UUID | None = None
    job_id: UUID | None = None
    sequence: int = 1
    """Place among the events of its batch, from 1; a job without a batch has one event."""
    data: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime = created()


class WebhookDelivery(SQLModel, table=True):
    """One event on its way to one address."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        # What the deliverer looks through: finished rows are not in it.
        Index(
            "ix_webhook_delivery_due",
            "queue",
            "not_before",
            "id",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_webhook_delivery_log", "tenant", "endpoint_id", "id"),
        Index("ix_webhook_delivery_event_id", "event_id"),
    )

    id: UUID = identity()
    tenant: str
    event_id: UUID = Field(foreign_key="webhook_event.id", ondelete="CASCADE")
    endpoint_id: UUID | None = None
    """Empty for a callback. No foreign key: its check would lock the endpoint's row in every
    transaction that finishes jobs; endpoints with deliveries are not deleted."""
    url: str | None = None
    """Of a callback; an endpoint has its own."""
    queue: UUID
    """Deliveries of one queue share a limit: an endpoint's, or a tenant's callbacks to a host."""
    state: DeliveryState = Field(
        default=DeliveryState.PENDING,
        sa_type=enum_type(DeliveryState),
    )
    attempts: int = 0
    """Times it was claimed; also the fence against a deliverer that lost its claim."""
    not_before: datetime = Field(
        default=None,
        sa_type=DateTime(timezone=True),
        sa_column_kwargs={"server_default": func.now(), "nullable": False},
    )
    """When it may be sent; while somebody sends it, when it counts as lost."""
    log: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )
    """One entry per attempt that was recorded: `{at, status, error, seconds}`."""
    created_at: datetime = created()
    finished_at: Moment = moment()
