"""What requests say of images, and what is answered to that."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from api.schemas.approvals import (
    ConflictView,
    JudgementList,
    JudgementRequest,
    JudgementsRequest,
    JudgementsView,
    JudgementView,
    WaitingImages,
)
from api.views.batches import find_batch
from api.views.jobs import find_job, view_approval
from core.db.arrays import among
from core.db.models import ApiKey, Job
from core.domain.approval import Approval
from core.errors import ConflictError
from core.lifecycle import judging
from core.lifecycle.approval import flagged
from core.lifecycle.judging import Judged, Reviewer, Verdict

MOST_SHOWN = 1000
"""Judgements of one image that are listed."""


class JudgedMeanwhileError(ConflictError):
    """Somebody else has judged the image meanwhile; look at it again."""

    code = "judged_meanwhile"


def reviewer(caller: ApiKey) -> Reviewer:
    """Return who judges with a key."""
    return Reviewer(key_id=caller.id, name=caller.name or f"{caller.prefix}…")


def judge_job(session: Session, caller: ApiKey, job_id: UUID, request: JudgementRequest) -> None:
    """Say something of one job's image.

    Raises:
        NotFoundError: The tenant has no such job.
        JudgedMeanwhileError: Somebody else has judged it; the answer says who, and when.
        ConflictError: It has no image.
    """
    find_job(session, caller.tenant, job_id)
    verdict = Verdict(approval=request.state, reason=request.reason, by=reviewer(caller))
    judged = judging.judge(session, caller.tenant, {job_id: request.version}, verdict)
    job, *_ = find_job(session, caller.tenant, job_id)
    if judged.conflicts:
        at = job.judged_at.isoformat(timespec="seconds") if job.judged_at else ""
        raise JudgedMeanwhileError(
            f"{job.judged_by} has judged it meanwhile: {job.approval.value} since {at}. Look at it "
            f"again; to change that, send `version` {job.approval_version}.",
            approval=view_approval(job).model_dump(mode="json"),
        )
    if judged.without_image:
        raise ConflictError(
            f"There is no image to judge: the job is {job.state.value}.", state=job.state.value
        )


def judge_batch(
    session: Session, caller: ApiKey, batch_id: UUID, request: JudgementsRequest
) -> JudgementsView:
    """Say the same of several images of a batch.

    Raises:
        NotFoundError: The tenant has no such batch.
        InvalidRequestError: Two images of one row are to be approved.
    """
    find_batch(session, caller.tenant, batch_id)
    verdict = Verdict(approval=request.state, reason=request.reason, by=reviewer(caller))
    if request.waiting is not None:
        where = _conditions(request.waiting)
        judged = judging.judge_waiting(session, caller.tenant, batch_id, verdict, where=where)
        return _view(session, judged, ())
    named = {one.id: one.version for one in request.jobs or ()}
    of_batch = select(col(Job.id)).where(
        among(Job.id, list(named)), col(Job.batch_id) == batch_id, col(Job.tenant) == caller.tenant
    )
    there = set(session.execute(of_batch).scalars())
    seen = {one: version for one, version in named.items() if one in there}
    judged = judging.judge(session, caller.tenant, seen, verdict)
    return _view(session, judged, named.keys() - there)


def _conditions(waiting: WaitingImages) -> list[ColumnElement[bool]]:
    where = []
    if waiting.flagged is not None:
        where.append(flagged() if waiting.flagged else ~flagged())
    if waiting.sku is not None:
        where.append(col(Job.sku) == waiting.sku)
    if waiting.finished_before is not None:
        where.append(col(Job.finished_at) <= waiting.finished_before)
    return where


def _view(session: Session, judged: Judged, elsewhere: Collection[UUID]) -> JudgementsView:
    conflicts = session.execute(
        select(Job)
        .where(among(Job.id, judged.conflicts))
        .order_by(col(Job.position), col(Job.id))
        .execution_options(populate_existing=True)
    ).scalars()
    return JudgementsView(
        changed=len(judged.changed),
        unchanged=len(judged.unchanged),
        conflicts=[ConflictView(id=one.id, approval=view_approval(one)) for one in conflicts],
        without_image=judged.without_image,
        missing=sorted({*judged.missing, *elsewhere}),
    )


def list_judgements(session: Session, tenant: str, job_id: UUID) -> JudgementList:
    """Return what was said of a job's image.

    Raises:
        NotFoundError: The tenant has no such job.
    """
    find_job(session, tenant, job_id)
    found = judging.judgements_of(session, job_id, limit=MOST_SHOWN)
    return JudgementList(
        items=[
            JudgementView(
                before=Approval(one.before),
                after=Approval(one.after),
                by=one.judged_by,
                at=one.created_at,
                reason=one.reason,
                digest=one.digest,
            )
            for one in found
        ]
    )
