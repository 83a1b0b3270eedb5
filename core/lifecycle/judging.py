"""Judging: people approve and reject jobs' images, and what was said before is kept."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, insert, or_, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Image, Job, Judgement
from core.db.models.columns import new_id
from core.domain.approval import Approval
from core.domain.states import JobState
from core.errors import InvalidRequestError
from core.lifecycle.approval import shown, to_review
from core.lifecycle.erasure import visible
from core.webhooks import events
from core.webhooks.event_types import EventType
from core.webhooks.events import JobChange

ANOTHER = "Another image was picked in its place."
"""Why an image is rejected when another one of its place is approved."""


@dataclass(frozen=True, kw_only=True)
class Reviewer:
    """Who judges."""

    key_id: UUID
    name: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What somebody says."""

    approval: Approval
    reason: str | None
    by: Reviewer


@dataclass(kw_only=True)
class Judged:
    """What became of some jobs' judgements; each job is in one of these."""

    changed: list[UUID] = field(default_factory=list)
    unchanged: list[UUID] = field(default_factory=list)
    """That was said of them already."""
    conflicts: list[UUID] = field(default_factory=list)
    """Somebody else has judged them meanwhile."""
    without_image: list[UUID] = field(default_factory=list)
    missing: list[UUID] = field(default_factory=list)
    """The tenant has no such job."""


def judge(session: Session, tenant: str, seen: Mapping[UUID, int], verdict: Verdict) -> Judged:
    """Judge jobs' images.

    Each is judged, or left as it is and named: what others said meanwhile is not overwritten. The
    images of one place of a sheet are judged together: when one is approved, others that are there
    are rejected.

    Args:
        session: An open transaction.
        tenant: Whose; nothing of another tenant is found.
        seen: By job, the `approval_version` that whoever judges has seen.
        verdict: What is said of all of them.

    Raises:
        InvalidRequestError: Two of them, of one place, are to be approved.
    """
    rows = lock_judged(session, tenant, seen)
    judged = Judged(missing=[one for one in seen if one not in rows])
    for job_id in seen.keys() & rows.keys():
        row = rows[job_id]
        if row.approval is verdict.approval:
            judged.unchanged.append(job_id)
        elif row.approval_version != seen[job_id]:
            judged.conflicts.append(job_id)
        elif row.state is not JobState.SUCCEEDED or row.digest is None:
            judged.without_image.append(job_id)
        else:
            judged.changed.append(job_id)
    others: list[UUID] = []
    if verdict.approval is Approval.APPROVED:
        others = _others(rows, judged.changed)
    # First: a place has one that is approved.
    rejection = Verdict(approval=Approval.REJECTED, reason=ANOTHER, by=verdict.by)
    write_judgements(session, [rows[one] for one in others], rejection)
    write_judgements(session, [rows[one] for one in judged.changed], verdict)
    return judged


def judge_waiting(
    session: Session,
    tenant: str,
    batch_id: UUID,
    verdict: Verdict,
    *,
    where: Sequence[ColumnElement[bool]] = (),
) -> Judged:
    """Judge what of a batch waits for a judgement; see `judge`.

    Of several images of one place the newest is judged.

    Args:
        session: An open transaction.
        tenant: Whose.
        batch_id: The batch.
        verdict: What is said of all of them.
        where: Which ones, in a query of jobs and their images; none: all.
    """
    statement = (
        select(col(Job.id), col(Job.approval_version))
        .join(Image, and_(col(Image.id) == col(Job.image_id), col(Image.doomed_at).is_(None)))
        .where(
            col(Job.tenant) == tenant,
            col(Job.batch_id) == batch_id,
            visible(Job.batch_id),
            to_review(),
            shown(),
            *where,
        )
    )
    found = session.execute(statement).all()
    return judge(session, tenant, {row[0]: row[1] for row in found}, verdict)


def judgements_of(session: Session, job_id: UUID, *, limit: int) -> Sequence[Judgement]:
    """Return what was said of a job's image, newest first."""
    statement = (
        select(Judgement)
        .where(col(Judgement.job_id) == job_id)
        .order_by(col(Judgement.created_at).desc(), col(Judgement.id).desc())
        .limit(limit)
    )
    return session.execute(statement).scalars().all()


def lock_judged(
    session: Session, tenant: str, job_ids: Collection[UUID]
) -> Mapping[UUID, Row[UUID, UUID | None, JobState, Approval, int, str | None]]:
    """Lock jobs, and those of their places that have ended, until the transaction ends.

    Args:
        session: An open transaction.
        tenant: Whose; nothing of another tenant is found.
        job_ids: The jobs.

    Returns:
        By id: `id`, `slot`, `state`, `approval`, `approval_version`, and the `digest` of the image
        that is there, or None.
    """
    slots = select(col(Job.slot)).where(among(Job.id, job_ids), col(Job.slot).is_not(None))
    of_slots = and_(col(Job.slot).in_(slots), col(Job.state) == JobState.SUCCEEDED)
    locked = session.execute(
        select(col(Job.id))
        .where(
            or_(among(Job.id, job_ids), of_slots),
            col(Job.tenant) == tenant,
            visible(Job.batch_id),
        )
        .order_by(col(Job.id))
        .with_for_update(key_share=True)
    ).scalars()
    ids = list(locked)
    columns = (Job.id, Job.slot, Job.state, Job.approval, Job.approval_version)
    rows = session.execute(
        select(*map(col, columns), col(Image.digest))
        .outerjoin(Image, and_(col(Image.id) == col(Job.image_id), col(Image.doomed_at).is_(None)))
        .where(among(Job.id, ids))
    )
    return {row.id: row for row in rows}


def _others(rows: Mapping[UUID, Any], approved: Sequence[UUID]) -> list[UUID]:
    """Find the others of the places of what is approved, which are rejected by that."""
    slots = [rows[one].slot for one in approved if rows[one].slot is not None]
    if len(set(slots)) < len(slots):
        raise InvalidRequestError(
            "Two of these images were made for the same row of the sheet, one in the other's "
            "place. Approve one of them."
        )
    return [
        one
        for one, row in rows.items()
        if row.slot in slots and one not in approved and row.approval is not Approval.REJECTED
    ]


def write_judgements(session: Session, rows: Sequence[Any], verdict: Verdict) -> None:
    """Write one verdict on jobs that `lock_judged` found; of one place one at most is approved."""
    if not rows:
        return
    session.execute(
        insert(Judgement),
        [
            {
                "id": new_id(),
                "job_id": row.id,
                "before": row.approval,
                "after": verdict.approval,
                "api_key_id": verdict.by.key_id,
                "judged_by": verdict.by.name,
                "reason": verdict.reason,
                "digest": row.digest,
            }
            for row in rows
        ],
    )
    changed = session.execute(
        update(Job)
        .where(among(Job.id, [row.id for row in rows]))
        .values(
            approval=verdict.approval,
            approval_version=col(Job.approval_version) + 1,
            judged_by=verdict.by.name,
            judged_at=func.now(),
            judgement_reason=verdict.reason,
        )
        .returning(*JobChange.columns(Job))
    ).all()
    event = _EVENTS.get(verdict.approval)
    if event is not None:
        events.record_judgements(session, event, [JobChange.of(row) for row in changed])


_EVENTS: Mapping[Approval, EventType] = {
    Approval.APPROVED: EventType.IMAGE_APPROVED,
    Approval.REJECTED: EventType.IMAGE_REJECTED,
}
