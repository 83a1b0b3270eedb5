"""OpenAI's images API: images that are asked for and waited for in one request."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, Response
from sqlmodel import Session

from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant, get_caller
from api.models import Models
from api.openai.edit_form import KeptEdit, keep_edit
from api.openai.errors import ModelNotFoundError
from api.openai.route import ImagesRoute, OpenAIRoute
from api.openai.schemas import GenerationRequest, model_document
from api.openai.translation import job_requests, wanted_answer
from api.routing.strict_route import Router
from api.schemas.requests import JobRequest
from api.services import Services
from api.submission.context import context_of
from api.submission.publish import follow_up
from api.submission.submit import submit_job
from bundles.manifest_file import read_mark
from core.db.models import ApiKey
from core.links import OPENAI

# Not in packshot's own description: OpenAI describes it, and its errors have another form than
# the one in which everything there answers (docs/decisions/0064-openai.md).
_HIDDEN: dict[str, Any] = {
    "prefix": OPENAI,
    "dependencies": [Depends(get_caller)],
    "include_in_schema": False,
}
router = Router(route_class=OpenAIRoute, **_HIDDEN)
images_router = Router(route_class=ImagesRoute, **_HIDDEN)


@images_router.post("/images/generations", operation_id="create_openai_images")
def post_generations(
    request: GenerationRequest,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> Response:
    """Make pictures of a prompt."""
    wanted = job_requests(request, services.models, max_variants=services.settings.max_variants)
    return _submit(request, wanted, caller, services, session, background)


@images_router.post("/images/edits", operation_id="create_openai_edits")
def post_edits(
    caller: Submitter,
    kept: Annotated[KeptEdit, Depends(keep_edit)],
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> Response:
    """Draw a photograph anew, put its product into a scene, or cut it out."""
    wanted = job_requests(
        kept.request,
        services.models,
        max_variants=services.settings.max_variants,
        source=str(kept.source),
        mask=None if kept.mask is None else str(kept.mask),
    )
    return _submit(kept.request, wanted, caller, services, session, background)


def _submit(
    request: GenerationRequest,
    wanted: Sequence[JobRequest],
    caller: ApiKey,
    services: Services,
    session: Session,
    background: BackgroundTasks,
) -> Response:
    asked = wanted_answer(request)
    for one in wanted:
        context = context_of(one, caller, services.settings, services.egress)
        (job, *_), submission = submit_job(session, services.models, context, one)
        asked.jobs.append(job.id)
        named = {"job": str(job.id), "cache": job.cache.value}
        background.add_task(follow_up, services, context, submission, **named)
    return Response(asked.model_dump_json(), media_type="application/json")


@router.get("/models", operation_id="list_openai_models")
def get_models(_: Tenant, services: ServicesNow) -> dict[str, Any]:
    """List the models that can be named."""
    models = services.models
    data = [_describe(models, one.made_by.name) for one in models.usable()]
    return {"object": "list", "data": data}


@router.get("/models/{name}", operation_id="get_openai_model")
def get_model(name: str, _: Tenant, services: ServicesNow) -> dict[str, Any]:
    """Show one model."""
    models = services.models
    if name not in {one.made_by.name for one in models.usable()}:
        raise ModelNotFoundError(
            f"There is no model {name[:64]!r} here, or it cannot be used at the moment. "
            f"GET {OPENAI}/models lists those that can.",
            errors=[{"line": None, "column": "model", "message": "It is not there."}],
        )
    return _describe(models, name)


def _describe(models: Models, name: str) -> dict[str, Any]:
    """Write a model with the moment at which its manifest was written."""
    changed, *_ = read_mark(models.folders[name]) or (0,)
    return model_document(name, changed // 10**9)
