"""OpenAI's requests as packshot's: the only place that knows what means what."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from api.models import Models
from api.openai.errors import ModelNotFoundError, refuse
from api.openai.schemas import Answering, EditRequest, GenerationRequest
from api.schemas.requests import JobRequest
from catalogue.models import check_model, model_named
from core.domain.photograph_spec import TRANSPARENT, ImageMode
from core.pictures.formats import Format

PRESETS: Mapping[str, str] = {
    "low": "draft",
    "medium": "standard",
    "standard": "standard",
    "high": "best",
    "hd": "best",
    "xhigh": "best",
    "max": "best",
}
"""What a quality means, where the model has such a preset; else it means nothing."""


def mode_of(request: GenerationRequest) -> ImageMode:
    """Return what a request makes: of a photograph, one without a background is a cut-out."""
    if not isinstance(request, EditRequest):
        return ImageMode.TEXT
    if request.mode is not None:
        return ImageMode(request.mode)
    return ImageMode.CUTOUT if request.background == TRANSPARENT else ImageMode.EDIT


def job_requests(
    request: GenerationRequest,
    models: Models,
    *,
    max_variants: int,
    source: str | None = None,
    mask: str | None = None,
) -> Sequence[JobRequest]:
    """Return the jobs that a request asks for, each to be checked as `POST /v1/jobs` does.

    Args:
        request: What came.
        models: Those that it may name.
        max_variants: Most images of one prompt.
        source: Id of the photograph; None: it has none.
        mask: Id of its mask, light where the mode wants it to be.

    Raises:
        InvalidRequestError: Its parameters do not go together.
        ModelNotFoundError: There is no such model.
    """
    mode = mode_of(request)
    check_together(request, mode)
    _check_model(request.model, models)
    count = request.n or 1
    if count > max_variants:
        raise refuse(
            "n",
            f"This server makes {max_variants} images of a prompt at most "
            "(PACKSHOT_MAX_VARIANTS). Ask for fewer.",
        )
    masked = mode is ImageMode.EDIT and mask is not None
    said = _cutout(request) if mode is ImageMode.CUTOUT else _drawn(request, models, masked=masked)
    width, height = request.sides
    said |= {"mode": mode, "width": width, "height": height, "source": source, "mask": mask}
    said |= {"negative_prompt": request.negative_prompt, "seed": request.seed}
    if isinstance(request, EditRequest):
        said["strength"] = request.strength
    numbers = [{}] if count == 1 else [{"variant": number} for number in range(1, count + 1)]
    return [_job_request(said | number) for number in numbers]


def wanted_answer(request: GenerationRequest) -> Answering:
    """Return how a request wants its images answered; its jobs are not there yet."""
    return Answering(
        jobs=[],
        output_format=request.output_format or Format.PNG,
        output_compression=request.output_compression,
        as_url=request.response_format == "url",
        background="transparent" if request.background == TRANSPARENT else "opaque",
    )


def check_together(request: GenerationRequest, mode: ImageMode) -> None:
    """Check what one parameter says of another.

    Raises:
        InvalidRequestError: They contradict each other.
    """
    format_ = request.output_format or Format.PNG
    if request.background == TRANSPARENT:
        if mode is not ImageMode.CUTOUT:
            raise refuse(
                "background",
                "What a model draws has no transparency. Send a photograph to images/edits with "
                "`background` transparent, and no other `mode` than cutout: it is cut out.",
            )
        if format_ is Format.JPEG:
            raise refuse("output_format", "JPEG has no transparency. Ask for png or webp.")
    if request.output_compression is not None and format_ is Format.PNG:
        raise refuse(
            "output_compression", "PNG has no loss. Ask for jpeg or webp, or leave it out."
        )
    if request.response_format == "url" and format_ is not Format.PNG:
        raise refuse(
            "response_format",
            f"A url leads to the stored PNG. Ask for b64_json to have it as {format_.value}.",
        )
    if mode is ImageMode.CUTOUT and (request.n or 1) > 1:
        raise refuse("n", "A photograph has one cut-out. Ask for 1, or leave it out.")


def _check_model(name: str | None, models: Models) -> None:
    if reason := check_model(model_named(name, models), models):
        issue = {"line": None, "column": "model", "message": reason}
        raise ModelNotFoundError(reason, errors=[issue])


def _cutout(request: GenerationRequest) -> dict[str, Any]:
    """Return what a cut-out has: no model draws it, though clients name one, and a prompt."""
    return {"background": TRANSPARENT if request.background == TRANSPARENT else None}


def _drawn(request: GenerationRequest, models: Models, *, masked: bool) -> dict[str, Any]:
    preset = PRESETS.get(request.quality or "")
    presets = models.meant(request.model, masked=masked).limits.presets
    return {
        "prompt": request.prompt,
        "model": request.model,
        "preset": preset if preset in presets else None,
    }


def _job_request(said: Mapping[str, Any]) -> JobRequest:
    try:
        return JobRequest(**{name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
