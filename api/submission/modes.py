"""Which mode a request is of, and which of its fields that has."""

from typing import TypeVar

from api.schemas.requests import Fields, JobRequest
from catalogue.finishes import check_mode
from catalogue.issues import Issues
from core.domain.photograph_spec import ImageMode

F = TypeVar("F", bound=Fields)


def mode_of(fields: Fields) -> ImageMode:
    """Return the mode that a request asks for."""
    return fields.mode or ImageMode.TEXT


def without_size(fields: F) -> F:
    """Return what a scene's request says of its background, which has the model's own size."""
    return fields.model_copy(update={"width": None, "height": None})


def check_fields(fields: Fields, issues: Issues) -> None:
    """Note the fields that images of the request's mode do not have."""
    given = {name for name in fields.model_fields_set if getattr(fields, name) not in (None, "")}
    if not isinstance(fields, JobRequest):
        # A sheet's `source` is whose export it is.
        given.discard("source")
    check_mode(mode_of(fields), given, issues)
