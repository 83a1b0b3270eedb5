"""Requests to make images again: checked like any other request, made in the same place."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from sqlmodel import Session

from api.schemas.redo import RedoRequest
from api.schemas.requests import Fields, JobRequest
from api.services import Services
from api.submission.context import RequestContext, context_of
from api.submission.recipes import OF_PRESETS
from api.submission.submit import drawn_image
from api.views.batches import find_batch
from api.views.jobs import find_job
from catalogue.finishes import check_drawn_over
from catalogue.issues import Issues
from core.db.models import ApiKey, Batch
from core.domain.image_request import ImageRequest
from core.domain.image_spec import ImageSpec
from core.domain.photograph_spec import ImageMode
from core.domain.seeds import another_seed
from core.domain.states import OPEN_JOB, JobState
from core.errors import ConflictError
from core.lifecycle.quota import room_for
from core.lifecycle.redo import Replacement, Slot, lock_slots, redo, rejected_jobs
from core.lifecycle.submission import Submission


def redo_job(
    session: Session, services: Services, caller: ApiKey, job_id: UUID, request: RedoRequest
) -> tuple[RequestContext, Submission]:
    """Make an image again, beside the one that a job has.

    Raises:
        NotFoundError: The caller has no such job.
        InvalidRequestError: naming every value that cannot be used.
        ConflictError: The job is not finished, an image of its row is approved, its batch was
            cancelled, or nothing in it is drawn.
        TooManyQueuedError: The key that sent the batch has too many waiting already.
    """
    job, *_ = find_job(session, caller.tenant, job_id)
    batch = find_batch(session, caller.tenant, job.batch_id) if job.batch_id else None
    return _redo(session, services, caller, batch, [job_id], request)


def redo_rejected(
    session: Session, services: Services, caller: ApiKey, batch_id: UUID, request: RedoRequest
) -> tuple[RequestContext, Submission]:
    """Make a batch's rejected images again, but those in whose place there is another already.

    Raises:
        NotFoundError: The caller has no such batch.
        InvalidRequestError: naming every value that cannot be used.
        ConflictError: The batch was cancelled, or nothing in its images is drawn.
        TooManyQueuedError: The key that sent the batch has too many waiting already.
    """
    batch = find_batch(session, caller.tenant, batch_id)
    return _redo(session, services, caller, batch, rejected_jobs(session, batch_id), request)


def redo_chosen(
    session: Session,
    services: Services,
    caller: ApiKey,
    batch_id: UUID,
    chosen: Collection[UUID],
    request: RedoRequest,
) -> tuple[RequestContext, Submission]:
    """Make the images of some jobs of a batch again; jobs of others are left alone.

    Raises:
        As `redo_job`.
    """
    batch = find_batch(session, caller.tenant, batch_id)
    return _redo(session, services, caller, batch, chosen, request)


def _redo(
    session: Session,
    services: Services,
    caller: ApiKey,
    batch: Batch | None,
    job_ids: Collection[UUID],
    request: RedoRequest,
) -> tuple[RequestContext, Submission]:
    # They wait for the key that sent the batch, whoever of its tenant asks for that.
    sender = session.get(ApiKey, batch.api_key_id) if batch and batch.api_key_id else None
    context = context_of(Fields(), sender or caller, services.settings, services.egress)
    slots = lock_slots(session, caller.tenant, job_ids)
    replacements = [
        _replacement(services, context, slot, request)
        for slot in slots.values()
        if slot.job.batch_id == (batch.id if batch else None)
    ]
    with room_for(session, context.queued_images, adding=len(replacements)):
        submission = redo(
            session,
            replacements,
            batch=batch,
            cache=context.cache,
            ttl_seconds=context.ttl_seconds,
            publishes=context.publishes,
            api_key_id=context.api_key_id,
        )
    return context, submission


def _replacement(
    services: Services, context: RequestContext, slot: Slot, request: RedoRequest
) -> Replacement:
    slot.check()
    job, spec = slot.job, slot.job.spec
    if spec.mode is ImageMode.CUTOUT:
        raise ConflictError(
            "Nothing in a cut-out is drawn: made again it would be the same. Send its row again "
            "with another background or shadow, or another photograph."
        )
    masked = spec.photograph is not None and spec.photograph.is_masked
    drawn = services.models.meant(job.model, masked=masked)
    made = drawn_image(drawn, context, _as_request(slot, request))
    wanted = replace(
        made,
        spec=_in_photograph(spec, made.spec),
        line=job.line,
        row=job.row,
        files=job.files,
        alt_text=job.alt_text,
        approximate=False,
        callback_url=job.callback_url,
    )
    issues = Issues()
    check_drawn_over(wanted.spec, wanted.model, issues)
    issues.refuse_request()
    if request.seed is None:
        wanted = _with_another_seed(slot, wanted)
    _check_different(slot, wanted)
    return Replacement(replaced=job, wanted=wanted)


def _as_request(slot: Slot, request: RedoRequest) -> JobRequest:
    """Write what a job's image was made of as a request, with what shall be different."""
    drawn = slot.job.spec.drawn
    kept = ["prompt", "negative_prompt", "width", "height"]
    if request.preset is None:
        kept += OF_PRESETS
    values = {name: getattr(drawn, name) for name in kept}
    said = request.model_dump(exclude_none=True)
    return JobRequest(**values | said, sku=slot.job.sku, variant=slot.job.variant)


def _in_photograph(spec: ImageSpec, drawn: ImageSpec) -> ImageSpec:
    """Put what is drawn where it was: alone, behind a product, or over a photograph."""
    if spec.photograph is None:
        return drawn
    if spec.mode is ImageMode.EDIT:
        return drawn.over(spec.photograph)
    return drawn.with_product(spec.photograph, width=spec.width, height=spec.height)


def _with_another_seed(slot: Slot, wanted: ImageRequest) -> ImageRequest:
    unseeded = replace(wanted, spec=replace(wanted.spec, seed=None))
    taken = {one.spec.seed for one in slot.jobs}
    seed = another_seed(unseeded.fingerprint(), wanted.variant, taken)
    return replace(wanted, spec=replace(wanted.spec, seed=seed))


def _check_different(slot: Slot, wanted: ImageRequest) -> None:
    decided = wanted.decided(wanted.fingerprint())
    for one in slot.jobs:
        is_there = one.state in (*OPEN_JOB, JobState.SUCCEEDED)
        same_model = one.bundle_revision == wanted.model.revision
        if is_there and same_model and one.spec == decided:
            raise ConflictError(
                f"Job {one.id} is that image already. Name another seed or none, or another prompt."
            )
