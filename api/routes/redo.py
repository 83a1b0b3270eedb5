"""Images made again, beside those that somebody did not like."""

from uuid import UUID

from fastapi import BackgroundTasks, Depends, Response

from api.dependencies import ServicesNow, SessionNow, Submitter, get_caller
from api.description import LOCATION
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.batches import BatchView
from api.schemas.jobs import JobView
from api.schemas.redo import RedoRequest
from api.submission.publish import follow_up
from api.submission.redo import redo_job, redo_rejected
from api.views.batches import find_batch, view_batch
from api.views.jobs import find_job, show_job
from core.links import job_path

router = Router(
    route_class=TransactionRoute,
    prefix="/v1",
    tags=["Review"],
    dependencies=[Depends(get_caller)],
)


@router.post(
    "/jobs/{job_id}/redo",
    operation_id="redo_job",
    status_code=202,
    responses={202: LOCATION, **problems(404, 409)},
)
def post_redo(
    job_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
    response: Response,
    request: RedoRequest | None = None,
) -> JobView:
    """Make another image in the place of a finished one that nobody approved.

    It is a new job of the same row, variant, files and batch; without a body it has another seed.
    Both images are there to be judged, and results show the approved one, else the newest.
    """
    request = request or RedoRequest()
    context, submission = redo_job(session, services, caller, job_id, request)
    view = show_job(session, find_job(session, caller.tenant, submission.job_ids[0]))
    named = {"job": str(view.id), "replaces": str(job_id), "cache": view.cache.value}
    background.add_task(follow_up, services, context, submission, **named)
    response.headers["Location"] = job_path(view.id)
    return view


@router.post(
    "/batches/{batch_id}/redo",
    operation_id="redo_batch",
    status_code=202,
    responses=problems(404, 409),
)
def post_redo_batch(
    batch_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
    request: RedoRequest | None = None,
) -> BatchView:
    """Make all rejected images of a batch again, but those in whose place there is another."""
    request = request or RedoRequest()
    context, submission = redo_rejected(session, services, caller, batch_id, request)
    named = {"batch": str(batch_id), "images": len(submission.job_ids)}
    background.add_task(follow_up, services, context, submission, **named)
    return view_batch(session, find_batch(session, caller.tenant, batch_id))
