"""Picking one of the images that a row of a sheet has, and taking judgements back.

A row has several images where variants were asked for, and where some were made again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Job, Judgement
from core.domain.approval import Approval
from core.domain.states import JobState
from core.lifecycle.erasure import visible
from core.lifecycle.judging import (
    ANOTHER,
    Judged,
    Reviewer,
    Verdict,
    lock_judged,
    write_judgements,
)

TAKEN_BACK = "What was said after that was taken back."
"""Why an image is what it was before."""

_PICKED = aliased(Job)


def pick(
    session: Session,
    tenant: str,
    batch_id: UUID,
    job_id: UUID,
    *,
    seen: Mapping[UUID, int],
    by: Reviewer,
) -> Judged:
    """Approve one of the images of a row, and reject the others that are there.

    All of that, or nothing where somebody else has judged the image meanwhile, or has approved
    another one of the row that whoever picks has not seen so.

    Args:
        session: An open transaction.
        tenant: Whose; nothing of another tenant is found.
        batch_id: The batch whose row it is.
        job_id: Whose image is picked.
        seen: By job, the `approval_version` that whoever picks has seen.
        by: Who picks.
    """
    of_row = _of_row(session, tenant, batch_id, job_id)
    rows = lock_judged(session, tenant, of_row)
    picked = rows.get(job_id)
    if picked is None:
        return Judged(missing=[job_id])
    if picked.state is not JobState.SUCCEEDED or picked.digest is None:
        return Judged(without_image=[job_id])
    others = [
        row
        for row in rows.values()
        if row.id != job_id
        and row.state is JobState.SUCCEEDED
        and row.approval is not Approval.REJECTED
    ]
    judged_meanwhile = [
        row.id
        for row in (picked, *others)
        if row.approval_version != seen.get(row.id)
        and (row.id == job_id or row.approval is Approval.APPROVED)
    ]
    if judged_meanwhile:
        return Judged(conflicts=judged_meanwhile)
    # First: a place has one that is approved.
    write_judgements(session, others, Verdict(approval=Approval.REJECTED, reason=ANOTHER, by=by))
    judged = Judged(changed=[row.id for row in others])
    if picked.approval is Approval.APPROVED:
        judged.unchanged.append(job_id)
    else:
        write_judgements(session, [picked], Verdict(approval=Approval.APPROVED, reason=None, by=by))
        judged.changed.append(job_id)
    return judged


def _of_row(session: Session, tenant: str, batch_id: UUID, job_id: UUID) -> Sequence[UUID]:
    """Find a job and those of the same row that have ended."""
    statement = (
        select(col(Job.id))
        .join(_PICKED, col(_PICKED.batch_id) == col(Job.batch_id))
        .where(
            col(_PICKED.id) == job_id,
            col(Job.batch_id) == batch_id,
            col(Job.tenant) == tenant,
            visible(Job.batch_id),
            # Those that are not ended belong to the worker that ends them.
            (col(Job.id) == job_id)
            | and_(col(Job.line) == col(_PICKED.line), col(Job.state) == JobState.SUCCEEDED),
        )
    )
    return session.execute(statement).scalars().all()


def take_back(
    session: Session, tenant: str, batch_id: UUID, *, said_at: datetime, by: Reviewer
) -> Judged:
    """Return images of a batch to what they were before somebody judged them, all at one moment.

    What others have said since stays as it is.

    Args:
        session: An open transaction.
        tenant: Whose; nothing of another tenant is found.
        batch_id: The batch.
        said_at: The `transaction_time` in which that was said.
        by: Who said it, and takes it back.
    """
    said = _said(session, tenant, batch_id, said_at, by)
    rows = lock_judged(session, tenant, list(said))
    others = _judged_by_others(session, list(said), said_at, by)
    judged = Judged(missing=[one for one in said if one not in rows])
    for job_id in said.keys() & rows.keys():
        row = rows[job_id]
        if row.approval is not said[job_id].after or job_id in others:
            judged.conflicts.append(job_id)
        elif row.state is not JobState.SUCCEEDED or row.digest is None:
            judged.without_image.append(job_id)
        else:
            judged.changed.append(job_id)
    _leave_picked(rows, said, judged)
    # What was approved comes last: a place has one that is.
    for approval in (Approval.REJECTED, Approval.PENDING, Approval.APPROVED):
        back = [rows[one] for one in judged.changed if said[one].before is approval]
        write_judgements(session, back, Verdict(approval=approval, reason=TAKEN_BACK, by=by))
    return judged


def _said(
    session: Session, tenant: str, batch_id: UUID, said_at: datetime, by: Reviewer
) -> Mapping[UUID, Any]:
    """Find the judgements of one moment, by job."""
    statement = (
        select(col(Judgement.job_id), col(Judgement.before), col(Judgement.after))
        .join(Job, col(Job.id) == col(Judgement.job_id))
        .where(
            col(Job.tenant) == tenant,
            col(Job.batch_id) == batch_id,
            col(Judgement.created_at) == said_at,
            col(Judgement.api_key_id) == by.key_id,
        )
    )
    return {row.job_id: row for row in session.execute(statement)}


def _judged_by_others(
    session: Session, job_ids: Sequence[UUID], said_at: datetime, by: Reviewer
) -> set[UUID]:
    """Find the jobs of which somebody else has said something since."""
    statement = select(col(Judgement.job_id)).where(
        among(Judgement.job_id, job_ids),
        col(Judgement.created_at) > said_at,
        col(Judgement.api_key_id).is_distinct_from(by.key_id),
    )
    return set(session.execute(statement).scalars())


def _leave_picked(rows: Mapping[UUID, Any], said: Mapping[UUID, Any], judged: Judged) -> None:
    """Make conflicts of what would be approved beside another one of its place."""
    picked = {
        row.slot
        for row in rows.values()
        if row.slot is not None
        and row.approval is Approval.APPROVED
        and row.id not in judged.changed
    }
    for job_id in tuple(judged.changed):
        if said[job_id].before is Approval.APPROVED and rows[job_id].slot in picked:
            judged.changed.remove(job_id)
            judged.conflicts.append(job_id)
