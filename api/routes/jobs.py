"""Single images: asked for, read, cancelled, downloaded."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Depends, Query, Response
from pydantic import AwareDatetime
from sqlalchemy import update
from sqlmodel import Session, col

from api.dependencies import Reader, ServicesNow, SessionNow, Submitter, Tenant, get_caller
from api.description import IMAGE_FILE, LOCATION
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.erasure import ErasureReceipt
from api.schemas.jobs import AltTextRequest, JobPage, JobView
from api.schemas.parameters import Line
from api.schemas.requests import JobRequest
from api.services import Services
from api.submission.context import context_of
from api.submission.publish import follow_up, revoke
from api.submission.recipes import use_recipe
from api.submission.submit import submit_job
from api.turns.downloads import DownloadResponse, Opened
from api.views.conditions import Conditions, ConditionsNow
from api.views.cursors import Cursor, Limit
from api.views.erasure import write_receipt
from api.views.images import etag_of, open_image, open_presigned, ready_image
from api.views.job_lists import JobFilter, list_newest_jobs
from api.views.jobs import find_job, find_to_give_out, find_to_look_at, show_job
from api.waiting.long_poll import LongPollResponse, Wait
from core.db.models import Image, Job
from core.domain.photograph_spec import ImageMode
from core.domain.states import OPEN_JOB, JobState
from core.errors import ConflictError
from core.lifecycle.cancellation import cancel_job, messages_of
from core.lifecycle.erasure import erase_images, erase_job
from core.lifecycle.erasure_counts import count_images, count_job
from core.links import image_path, job_path

router = Router(
    route_class=TransactionRoute,
    prefix="/v1/jobs",
    tags=["Jobs"],
    dependencies=[Depends(get_caller)],
)


@router.post(
    "", operation_id="submit_job", status_code=202, responses={202: LOCATION, **problems(404)}
)
def post_job(
    request: JobRequest,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
    response: Response,
) -> JobView:
    """Ask for one image; when the same one is in store, it is there at once."""
    request, _ = use_recipe(session, caller.tenant, request)
    context = context_of(request, caller, services.settings, services.egress)
    row, submission = submit_job(session, services.models, context, request)
    view = show_job(session, row)
    # What comes from store has no generation.
    named = {"generation": str(view.generation_id)} if view.generation_id else {}
    named |= {"job": str(view.id), "cache": view.cache.value}
    background.add_task(follow_up, services, context, submission, **named)
    response.headers["Location"] = job_path(view.id)
    return view


@router.get("", operation_id="list_jobs")
def get_jobs(
    tenant: Tenant,
    session: SessionNow,
    state: JobState | None = None,
    batch: Annotated[UUID | None, Query(description="Of this batch.")] = None,
    sku: Annotated[Line | None, Query(max_length=200, description="Of this product.")] = None,
    model: Annotated[Line | None, Query(max_length=64, description="Made by this model.")] = None,
    mode: ImageMode | None = None,
    created_after: Annotated[
        AwareDatetime | None, Query(description="At this moment or later.")
    ] = None,
    created_before: Annotated[
        AwareDatetime | None, Query(description="Before this moment.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> JobPage:
    """List jobs, newest first, those of batches too; all that is said of them must hold."""
    chosen = JobFilter(
        state=state,
        batch=batch,
        sku=sku,
        model=model,
        mode=mode,
        created_after=created_after,
        created_before=created_before,
    )
    return list_newest_jobs(session, tenant, chosen, cursor=cursor, limit=limit)


@router.get(
    "/{job_id}",
    operation_id="get_job",
    response_model=JobView,
    responses=problems(404),
)
def get_job(
    job_id: UUID,
    tenant: Tenant,
    services: ServicesNow,
    session: SessionNow,
    wait: Wait = 0,
) -> JobView | Response:
    """Show a job's state, and where its image is."""

    def view(session: Session) -> JobView:
        return show_job(session, find_job(session, tenant, job_id))

    row = find_job(session, tenant, job_id)
    if wait and row[0].state in OPEN_JOB:
        return LongPollResponse(services, tenant, job_id, seconds=wait, view=view)
    return show_job(session, row)


@router.post(
    "/{job_id}/cancel", operation_id="cancel_job", status_code=202, responses=problems(404)
)
def post_cancel(
    job_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> JobView:
    """Stop waiting for an image; a finished one stays as it is."""
    find_job(session, caller.tenant, job_id)
    stopped = cancel_job(session, job_id)
    background.add_task(revoke, services, messages_of(session, stopped))
    return show_job(session, find_job(session, caller.tenant, job_id))


@router.put("/{job_id}/alt-text", operation_id="write_alt_text", responses=problems(404))
def put_alt_text(
    job_id: UUID, request: AltTextRequest, caller: Submitter, session: SessionNow
) -> JobView:
    """Write an image's alternative text; what was published already keeps the one it has."""
    find_job(session, caller.tenant, job_id)
    session.execute(
        update(Job).where(col(Job.id) == job_id).values(alt_text=request.alt_text.strip())
    )
    return show_job(session, find_job(session, caller.tenant, job_id))


@router.delete("/{job_id}", operation_id="delete_job", responses=problems(404, 409))
def delete_job(
    job_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> ErasureReceipt:
    """Erase a job, cancelled first if it is not finished, with all that no other job uses.

    Its row of the sheet, its prompt, its events and answers are gone at once, what was on its way
    to webhooks included; its image, renditions and latents within a minute.
    """
    find_job(session, caller.tenant, job_id)
    stopped = cancel_job(session, job_id)
    background.add_task(revoke, services, messages_of(session, stopped))
    counts = count_job(session, job_id)
    erased = erase_job(session, job_id)
    # After the commit: nothing that can still be found lacks its object.
    background.add_task(services.storage.delete, erased.latents)
    if not erased.jobs:
        raise ConflictError(
            "The job is being changed by another request. Delete it again in a moment.",
            retry_after=1,
        )
    counts = replace(counts, images=erased.images, events=erased.events)
    return write_receipt(session, caller.tenant, job_path(job_id), counts)


@router.delete("/{job_id}/image", operation_id="delete_image", responses=problems(404, 409, 410))
def delete_image(
    job_id: UUID,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> ErasureReceipt:
    """Erase a job's image, with its renditions and latents, from all jobs of yours that have it.

    The jobs stay, and nothing more is told of them. The same request is computed anew from now on.
    """
    job, image, *_ = find_job(session, caller.tenant, job_id)
    image = ready_image(job, image)
    counts = count_images(session, [image.id])
    erased = erase_images(session, [image.id])
    background.add_task(services.storage.delete, erased.latents)
    counts = replace(counts, events=erased.events)
    return write_receipt(session, caller.tenant, image_path(job_id), counts)


@router.get(
    "/{job_id}/image",
    operation_id="get_image",
    response_class=Response,
    responses={
        **IMAGE_FILE,
        307: {"description": "With `redirect=1`: a URL that needs no key, in `Location`."},
        **problems(404, 409, 410),
    },
)
def get_image(
    job_id: UUID,
    caller: Reader,
    services: ServicesNow,
    session: SessionNow,
    conditions: ConditionsNow,
    redirect: Annotated[
        bool, Query(description="Answer with a URL of the storage that needs no key.")
    ] = False,
) -> Response:
    """Download a job's image, or a part of it.

    One that needs approval and has none is shown to keys with the scope review alone, and has no
    URL that needs no key.
    """
    if redirect:
        job, image, *_ = find_to_give_out(session, caller.tenant, job_id)
    else:
        job, image, *_ = find_to_look_at(session, caller, job_id)
    image = ready_image(job, image)
    kept = "no-cache" if job.require_approval else "max-age=31536000, immutable"
    # Private: what is behind a key belongs in no shared cache.
    headers = {"ETag": etag_of(image), "Cache-Control": f"private, {kept}"}
    if conditions.met_by(headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if redirect:
        open_ = partial(open_presigned, services, image)
    else:
        open_ = partial(_open_part, services, image, headers, conditions)
    return DownloadResponse(services.downloads, services.downloads.images, caller.tenant, open_)


def _open_part(
    services: Services, image: Image, headers: Mapping[str, str], conditions: Conditions
) -> Opened:
    return conditions.part_of(open_image(services, image, headers))
