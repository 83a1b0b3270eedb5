"""Jobs: one wanted image each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from core.db.models.columns import Moment, created, enum_type, identity, moment
from core.db.models.parameters import ImageParameters
from core.domain.approval import Approval
from core.domain.lanes import Lane
from core.domain.states import CacheOutcome, JobState


class Job(ImageParameters, table=True):
    """One image that somebody wants: a single request, or one variant of one row of a sheet."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_batch_position", "batch_id", "position"),
        Index("ix_job_tenant_id", "tenant", "id"),
        # A product's jobs, the newest first.
        Index("ix_job_tenant_sku", "tenant", "sku", "id"),
        # What the sweeper looks through for late jobs: most have no deadline, or are finished.
        Index(
            "ix_job_open_deadline",
            "deadline_at",
            postgresql_where=text("state in ('queued', 'running') and deadline_at is not null"),
        ),
        # What the eraser deletes because it is too old; a batch goes with all of its jobs.
        Index(
            "ix_job_finished_alone",
            "finished_at",
            postgresql_where=text("batch_id is null and finished_at is not null"),
        ),
        # How much a key has open beside its batches.
        Index(
            "ix_job_open_key",
            "api_key_id",
            postgresql_where=text("state in ('queued', 'running') and api_key_id is not null"),
        ),
        # The jobs that were made for one place of a sheet, one after the other.
        Index("ix_job_slot", "slot", postgresql_where=text("slot is not null")),
        # One of them is picked.
        Index(
            "uq_job_picked",
            "slot",
            unique=True,
            postgresql_where=text("slot is not null and approval = 'approved'"),
        ),
        # What of a batch waits for somebody to look at it.
        Index(
            "ix_job_to_review",
            "batch_id",
            "position",
            "id",
            postgresql_where=text("state = 'succeeded' and approval = 'pending'"),
        ),
    )

    id: UUID = identity()
    tenant: str
    api_key_id: UUID | None = None
    """Who asked for it; empty where its batch says so."""
    batch_id: UUID | None = Field(default=None, foreign_key="batch.id")
    generation_id: UUID | None = Field(default=None, foreign_key="generation.id", index=True)
    """What computes it; empty when a stored image answered at once."""
    image_id: UUID | None = Field(default=None, foreign_key="image.id", index=True)
    position: int = 0
    """Place in its batch, from 0; what was made in place of another image has that one's."""
    line: int | None = None
    """Line of the sheet that asked for it, from 1; the header is line 1."""
    row: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    """That line's cells as they came."""
    sku: str = ""
    variant: int = 1
    """From 1."""
    fingerprint: str
    model: str | None = None
    """What requests call the model that makes its image; empty: it is older than names."""
    bundle_revision: str | None = None
    """Of that model's bundle; empty: it ended before that was kept."""
    lane: Lane = Field(sa_type=enum_type(Lane))
    state: JobState = Field(
        default=JobState.QUEUED,
        sa_type=enum_type(JobState),
    )
    cache: CacheOutcome = Field(
        sa_type=enum_type(CacheOutcome),
    )
    files: dict[str, str] = Field(
        default_factory=dict,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'{}'")},
    )
    """File names by channel, with `original` for the model's own; empty: nobody asked for any."""
    alt_text: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    """What stands for the image where it is not seen; empty: nothing is known of its product."""
    require_approval: bool = Field(
        default=False, sa_column_kwargs={"server_default": text("false")}
    )
    """Whether its image is given out only when somebody has approved it."""
    approval: Approval = Field(
        default=Approval.PENDING,
        sa_type=enum_type(Approval),
        sa_column_kwargs={"server_default": text("'pending'")},
    )
    approval_version: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    """Changes of `approval`: who judges says which one they saw."""
    judged_by: str | None = None
    """The name of the key that changed it last."""
    judged_at: Moment = moment()
    judgement_reason: str | None = None
    slot: UUID | None = None
    """The first of the jobs that were made for its place of the sheet, itself or another, which may
    be erased; empty: there is no other."""
    replaces: UUID | None = None
    """The job that it was made in place of, which may be erased."""
    warning: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    callback_url: str | None = None
    """Where its end is told, beside the tenant's endpoints; a batch has its own."""
    deadline_at: Moment = moment()
    created_at: datetime = created()
    started_at: Moment = moment()
    finished_at: Moment = moment()
    finished_xid: int | None = Field(default=None, sa_type=BigInteger)
    """The transaction that finished it (Postgres's xid8), which says who has seen it finished: a
    timestamp cannot. Empty: it was there finished, or there were no numbers then."""
