"""Judgements: what was said of a job's image, and before that."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from core.db.models.columns import created, enum_type, identity
from core.domain.approval import Approval


class Judgement(SQLModel, table=True):
    """One change of a job's `approval`; never changed. It goes with its job."""

    __tablename__ = "judgement"

    id: UUID = identity()
    job_id: UUID = Field(foreign_key="job.id", ondelete="CASCADE", index=True)
    before: Approval = Field(sa_type=enum_type(Approval, checked=False))
    after: Approval = Field(sa_type=enum_type(Approval, checked=False))
    api_key_id: UUID | None = None
    """Whose it was; empty: packshot's own, because the image was lost."""
    judged_by: str
    """That key's name, or its beginning where it has none."""
    reason: str | None = None
    digest: str | None = None
    """SHA-256 of the image that was judged, hex."""
    created_at: datetime = created()
