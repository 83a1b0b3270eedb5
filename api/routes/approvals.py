"""Approval: images judged, one by one or many at once."""

from uuid import UUID

from fastapi import Depends

from api.dependencies import Judge, SessionNow, Tenant, get_caller
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.approvals import (
    JudgementList,
    JudgementRequest,
    JudgementsRequest,
    JudgementsView,
)
from api.schemas.jobs import JobView
from api.submission.judging import judge_batch, judge_job, list_judgements
from api.views.jobs import find_job, show_job

router = Router(
    route_class=TransactionRoute,
    prefix="/v1",
    tags=["Review"],
    dependencies=[Depends(get_caller)],
)


@router.put("/jobs/{job_id}/approval", operation_id="update_approval", responses=problems(404, 409))
def put_approval(
    job_id: UUID, request: JudgementRequest, caller: Judge, session: SessionNow
) -> JobView:
    """Approve or reject a job's image, or take back what was said of it.

    Approving one of several images of a row rejects the others. What somebody else has said since
    you looked is not overwritten: name the `version` that you saw.
    """
    judge_job(session, caller, job_id, request)
    return show_job(session, find_job(session, caller.tenant, job_id))


@router.get("/jobs/{job_id}/judgements", operation_id="list_judgements", responses=problems(404))
def get_judgements(job_id: UUID, tenant: Tenant, session: SessionNow) -> JudgementList:
    """List what was said of a job's image, newest first."""
    return list_judgements(session, tenant, job_id)


@router.post(
    "/batches/{batch_id}/approvals", operation_id="update_approvals", responses=problems(404)
)
def post_approvals(
    batch_id: UUID, request: JudgementsRequest, caller: Judge, session: SessionNow
) -> JudgementsView:
    """Say the same of many images of a batch: of jobs by name, or of what waits for a judgement.

    Each is judged, or left as it is and named in the answer.
    """
    return judge_batch(session, caller, batch_id, request)
