"""Generations: one piece of compute each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from core.db.models.columns import Moment, created, enum_type, identity, moment
from core.db.models.parameters import ImageParameters
from core.domain.lanes import Lane
from core.domain.states import GenerationState

NO_KEY = UUID(int=0)
"""Stands for the key of what was ordered without one, or before keys were noted: it takes its turn
like any other, and a comparison of rows jumps over it as over any other, which it would not do
with null."""


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
        # Whose message is sent next, and how many of a tenant's keys wait in a lane; those of
        # backlogs apart, so that rows of a sheet that comes in are not passed over.
        Index(
            "ix_generation_queued",
            "lane",
            "tenant",
            "api_key_id",
            "published_at",
            "id",
            postgresql_where=text("state = 'queued' and backlog_id is null"),
        ),
        # What is made, or was, of a photograph, as the request names it; and with a mask.
        Index(
            "ix_generation_photograph",
            "tenant",
            text("(photograph ->> 'source')"),
            postgresql_where=text("photograph is not null"),
        ),
        Index(
            "ix_generation_mask",
            "tenant",
            text("(photograph ->> 'mask')"),
            postgresql_where=text("(photograph ->> 'mask') is not null"),
        ),
        Index(
            "ix_generation_backlog",
            "backlog_id",
            "id",
            postgresql_where=text("state = 'queued' and backlog_id is not null"),
        ),
    )

    id: UUID = identity()
    tenant: str
    api_key_id: UUID = Field(
        default=NO_KEY, sa_column_kwargs={"server_default": text(f"'{NO_KEY}'")}
    )
    """Whose turn it takes: the key of the first job that waited for it, whoever joins later."""
    fingerprint: str
    bundle_revision: str
    lane: Lane = Field(sa_type=enum_type(Lane))
    state: GenerationState = Field(
        default=GenerationState.QUEUED,
        sa_type=enum_type(GenerationState),
    )
    reusable: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    """Whether others may join it, and whether its image answers further requests."""
    channels: list[str] = Field(
        default_factory=list,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'[]'")},
    )
    """Renditions that whoever asked first wants, for the worker to make beside the image."""
    approximate_scope: str | None = None
    """What may answer it approximately: entries of this scope. Empty: nothing, it is computed."""
    exact_fingerprint: str | None = None
    """Where `approximate_scope` is given: the fingerprint that its image gets if it is computed
    from the first step on, for those who did not agree to another beginning."""
    approximation: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    """What it began with: see `core.domain.approximation.Approximation`."""
    attempts: int = 0
    """Times it was claimed; with the owner, the fence against a worker that lost its lease."""
    lease_owner: str | None = None
    lease_expires_at: Moment = moment()
    not_before: Moment = moment()
    """A delay lives here, never in Celery, which redelivers long countdowns."""
    published_at: Moment = moment()
    """When its message was last sent to Redis; empty: not yet."""
    published_first: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Whether that message went to the lane's first queue."""
    backlog_id: UUID | None = None
    """The backlog that it waits in; empty from its first message or claim on, for ever."""
    error_code: str | None = None
    error_message: str | None = None
    seconds: float | None = None
    """What computing its image took: its share of every model call that it was in."""
    created_at: datetime = created()
    started_at: Moment = moment()
    finished_at: Moment = moment()
