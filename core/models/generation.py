"""Generations: one piece of compute each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from core.lanes import Lane
from core.models.columns import Moment, created, enum_type, identity, moment
from core.models.parameters import ImageParameters
from core.states import GenerationState


class Generation(ImageParameters, table=True):
    """One image being computed, for however many jobs wait on it."""

    __tablename__ = "generation"
    __table_args__ = (
        # In-flight coalescing: the same work is never queued twice for a tenant.
        Index(
            "uq_generation_in_flight",
            "tenant",
            "fingerprint",
            unique=True,
            postgresql_where=text("state in ('queued', 'running') and reusable"),
        ),
        # What the sweeper looks through: finished rows are not in it.
        Index(
            "ix_generation_open",
            "state",
            "lane",
            "published_at",
            postgresql_where=text("state in ('queued', 'running')"),
        ),
    )

    id: UUID = identity()
    tenant: str
    fingerprint: str
    bundle_revision: str
    lane: Lane = Field(sa_type=enum_type(Lane))
    state: GenerationState = Field(
        default=GenerationState.QUEUED,
        sa_type=enum_type(GenerationState),
    )
    reusable: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    """Whether others may join it, and whether its image answers further requests."""
    attempts: int = 0
    """Times it was claimed; with the owner, the fence against a worker that lost its lease."""
    lease_owner: str | None = None
    lease_expires_at: Moment = moment()
    not_before: Moment = moment()
    """A delay lives here, never in Celery, which redelivers long countdowns."""
    published_at: Moment = moment()
    """When its message was last sent to Redis; empty: not yet."""
    error_code: str | None = None
    error_message: str | None = None
    seconds: float | None = None
    """From the claim to the decoded image, by the worker's clock."""
    created_at: datetime = created()
    started_at: Moment = moment()
    finished_at: Moment = moment()
