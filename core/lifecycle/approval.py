"""The gate: which images may be given out, which are shown, and which wait for a judgement.

Whatever hands an image's bytes, or an address that needs no key, to somebody asks `given_out` in
the query that finds it; what shows it to the tenant's own people asks `looked_at`, unless they may
judge. There is no other gate.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, insert, literal, or_, select, tuple_, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Image, Job, Judgement
from core.domain.approval import Approval
from core.domain.states import JobState

PACKSHOT = "packshot"
"""Who takes an approval back whose image was lost."""

_OTHER = aliased(Job)
"""Of the same place of a sheet. Made once: with another one each time a statement is another one to
SQLAlchemy, which compiles and keeps it."""

LOST = "The stored image was lost."
"""Why it does."""


def given_out(job: Any = Job) -> ColumnElement[bool]:
    """Match jobs whose images may be given out.

    That is what somebody approved, and of those that need no approval all but what somebody
    rejected.
    """
    approved = col(job.approval) == Approval.APPROVED
    free = and_(~col(job.require_approval), col(job.approval) != Approval.REJECTED)
    return or_(approved, free)


def given_out_among(session: Session, job_ids: Collection[UUID]) -> set[UUID]:
    """Find those of these jobs whose images may be given out at this moment."""
    statement = select(col(Job.id)).where(among(Job.id, job_ids), given_out())
    return set(session.execute(statement).scalars())


def looked_at(job: Any = Job) -> ColumnElement[bool]:
    """Match jobs whose images every key of their tenant may look at that may read."""
    return or_(col(job.approval) == Approval.APPROVED, ~col(job.require_approval))


def may_be_given_out(job: Job) -> bool:
    """Check the same of a row that was read; what gives an image out asks `given_out`."""
    if job.require_approval:
        return job.approval is Approval.APPROVED
    return job.approval is not Approval.REJECTED


def shown() -> ColumnElement[bool]:
    """Match one job of each place of a sheet: the approved one, else the newest."""
    better = select(col(_OTHER.id)).where(
        col(_OTHER.slot) == col(Job.slot),
        tuple_(col(_OTHER.approval) == Approval.APPROVED, col(_OTHER.id))
        > tuple_(col(Job.approval) == Approval.APPROVED, col(Job.id)),
    )
    return ~better.exists()


def to_review() -> ColumnElement[bool]:
    """Match jobs whose images wait for a judgement: none of their place is approved."""
    picked = select(col(_OTHER.id)).where(
        col(_OTHER.slot) == col(Job.slot), col(_OTHER.approval) == Approval.APPROVED
    )
    return and_(
        col(Job.state) == JobState.SUCCEEDED,
        col(Job.approval) == Approval.PENDING,
        ~picked.exists(),
    )


def flagged() -> ColumnElement[bool]:
    """Match images that somebody should look at, in a query that has joined them."""
    return func.coalesce(col(Image.quality)["needs_review"].as_boolean(), False)


def withdraw(session: Session, image_id: UUID) -> None:
    """Take back what was said of an image that was lost: another one will be judged anew."""
    # Before anything is read: who is judging it now may be about to commit.
    named = select(col(Job.id)).where(col(Job.image_id) == image_id).order_by(col(Job.id))
    session.execute(named.with_for_update(key_share=True))
    lost = select(
        func.gen_random_uuid(),
        col(Job.id),
        col(Job.approval),
        literal(Approval.PENDING.value),
        literal(PACKSHOT),
        literal(LOST),
    ).where(col(Job.image_id) == image_id, col(Job.approval) != Approval.PENDING)
    columns = ["id", "job_id", "before", "after", "judged_by", "reason"]
    session.execute(insert(Judgement).from_select(columns, lost))
    session.execute(
        update(Job)
        .where(col(Job.image_id) == image_id, col(Job.approval) != Approval.PENDING)
        .values(
            approval=Approval.PENDING,
            approval_version=col(Job.approval_version) + 1,
            judged_by=PACKSHOT,
            judged_at=func.now(),
            judgement_reason=LOST,
        )
    )
