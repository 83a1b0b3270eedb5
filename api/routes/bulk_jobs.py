"""Many single images, asked for in one request."""

from functools import partial

from fastapi import BackgroundTasks, Depends

from api.dependencies import ServicesNow, SessionNow, Submitter, get_caller
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.bulk_jobs import BulkJob, BulkJobRequest, BulkJobs
from api.submission.bulk import BulkSubmission
from api.submission.context import context_of
from api.submission.publish import follow_up
from api.views.jobs import find_jobs

router = Router(
    route_class=TransactionRoute,
    prefix="/v1/bulk-jobs",
    tags=["Jobs"],
    dependencies=[Depends(get_caller)],
)


@router.post("", operation_id="submit_jobs", status_code=202)
def post_jobs(
    request: BulkJobRequest,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> BulkJobs:
    """Ask for many images at once. Every bad request is named by its index, or all are queued.

    What `POST /v1/jobs` takes, up to a thousand times and within 1 MiB. A request with an
    `idempotency_key` that came before gives the job that it gave then.
    """
    settings = services.settings
    bulk = BulkSubmission(
        session,
        services.models,
        caller,
        partial(context_of, key=caller, settings=settings, egress=services.egress),
        ttl_seconds=settings.idempotency_seconds,
    )
    answered = bulk.submit(request)
    for context, submission in bulk.submissions:
        named = {"jobs": len(submission.job_ids)}
        background.add_task(follow_up, services, context, submission, **named)
    jobs = find_jobs(session, caller.tenant, [one.job for one in answered])
    return BulkJobs(
        jobs=[BulkJob(job=jobs[one.job], is_repeated=one.is_repeated) for one in answered]
    )
