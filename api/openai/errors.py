"""Errors as OpenAI's clients read them, and those that only this dialect has."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from core.errors import InvalidRequestError, NotFoundError, PackshotError
from core.links import OPENAI

NO_RETRY = "x-should-retry"
"""A header that OpenAI's clients obey: without it they send 409, 429 and 5xx again themselves."""

_CODES = {"unauthorized": "invalid_api_key", "rate_limited": "rate_limit_exceeded"}
"""OpenAI's codes for what programs ask for by name; all others are packshot's."""
_PARAMS = {
    "width": "size",
    "height": "size",
    "preset": "quality",
    "source": "image",
    "variant": "n",
}
"""What OpenAI calls the fields of `JobRequest`."""


class ModelNotFoundError(NotFoundError):
    """There is no such model here; GET /openai/v1/models lists those that there are."""

    code = "model_not_found"


class ImagesNotReadyError(PackshotError):
    """The images were not ready in time; they are still made, and their jobs can be read."""

    code = "images_not_ready"
    status = 504
    retry_helps = True


class AskedImagesFailedError(PackshotError):
    """An image could not be made this time; the reason says why. Send the request again."""

    code = "images_failed"
    status = 500
    retry_helps = True


class ImagesImpossibleError(PackshotError):
    """An image cannot be made of this request; the reason says why."""

    code = "images_impossible"
    status = 422


def refuse(param: str, message: str) -> InvalidRequestError:
    """Make the error that names one parameter of a request."""
    issue = {"line": None, "column": param, "message": message}
    return InvalidRequestError(f"{param}: {message}", errors=[issue])


def speaks_openai(path: str) -> bool:
    """Check whether a path is answered in this dialect."""
    return path.startswith(f"{OPENAI}/")


def openai_status(status: int) -> int:
    """Return the status that OpenAI has for one of ours: what is not valid is 400 there."""
    return HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def openai_headers(status: int, *, retry_helps: bool) -> dict[str, str]:
    """Return the header by which a client knows whether to send the request again by itself.

    Not after it has waited in vain: it would wait as long again, twice, and its caller not hear.
    """
    again = retry_helps and status != ImagesNotReadyError.status
    return {NO_RETRY: "true" if again else "false"}


def openai_document(problem: Mapping[str, Any], status: int) -> dict[str, Any]:
    """Write an error in OpenAI's shape.

    Args:
        problem: The problem document of RFC 9457 that other routes answer with.
        status: The HTTP status.
    """
    code = problem.get("failure") or problem["code"]
    error = {
        "message": problem["detail"],
        "type": _type_of(status),
        "param": _param_of(problem),
        "code": _CODES.get(code, code),
        "request_id": problem["request_id"],
    }
    if "jobs" in problem:
        error["jobs"] = problem["jobs"]
    return {"error": error}


def _type_of(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    limited = status == HTTPStatus.TOO_MANY_REQUESTS
    return "rate_limit_error" if limited else "invalid_request_error"


def _param_of(problem: Mapping[str, Any]) -> str | None:
    errors = problem.get("errors") or ()
    columns = [one["column"] for one in errors if one.get("column")]
    return _PARAMS.get(columns[0], columns[0]) if columns else None
