"""Errors as RFC 9457 problem documents."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from psycopg.errors import DiskFull, UndefinedColumn, UndefinedTable
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.auth.cookies import is_page
from api.middleware.request_id import HEADER, request_id
from api.openai.errors import openai_document, openai_headers, openai_status, speaks_openai
from api.pages.problems import problem_page
from core.errors import (
    InvalidRequestError,
    PackshotError,
    RangeNotSatisfiableError,
    ServiceDownError,
    TooLargeError,
    TooManyQueuedError,
    UnauthorizedError,
    first_line,
)

MEDIA_TYPE = "application/problem+json"

logger = logging.getLogger("packshot.api")


class Problem(BaseModel):
    """What went wrong, and what to do (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Kind of problem: `urn:packshot:problem:<code>`.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time, and what to do.")
    code: str = Field(description="Kind of problem, for programs.")
    retry_helps: bool = Field(description="Whether the same request may succeed later.")
    instance: str = Field(description="Path of the request.")
    request_id: str = Field(description="The request's id in the server's log.")
    errors: list[dict[str, Any]] | None = Field(
        default=None, description="Every bad place: `{line, column, message}`."
    )


def problem_response(
    request: Request,
    *,
    code: str,
    title: str,
    status: int,
    detail: str,
    retry_helps: bool = False,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Response:
    """Write one problem document; to OpenAI's clients and to people the same in their shape."""
    identity = request_id(request.scope)
    content = {
        "type": f"urn:packshot:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "retry_helps": retry_helps,
        "instance": request.url.path,
        "request_id": identity,
    }
    document = {**(extensions or {}), **content}
    added = {HEADER: identity, **(headers or {})}
    if is_page(request.url.path) and request.state.services.settings.pages:
        return problem_page(request, document, added)
    if speaks_openai(request.url.path):
        status = openai_status(status)
        return JSONResponse(
            openai_document(document, status),
            status_code=status,
            headers=added | openai_headers(status, retry_helps=retry_helps),
        )
    return JSONResponse(document, status_code=status, headers=added, media_type=MEDIA_TYPE)


def packshot_problem(request: Request, error: PackshotError) -> Response:
    """Answer with one of our own errors."""
    headers = {}
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = 'Bearer realm="packshot"'
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE and error.retry_helps:
        headers["Retry-After"] = "5"
    if isinstance(error, RangeNotSatisfiableError):
        headers["Content-Range"] = f"bytes */{error.extensions['size']}"
    if "retry_after" in error.extensions:
        headers["Retry-After"] = str(error.extensions["retry_after"])
    if isinstance(error, TooManyQueuedError):
        # As the IETF draft "RateLimit header fields for HTTP", 11, writes it; no window ends.
        headers["RateLimit-Policy"] = f'"queued-images";q={error.extensions["limit"]}'
        headers["RateLimit"] = f'"queued-images";r={error.extensions["remaining"]}'
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # By its route: a path may name a file by its SKU.
        route = getattr(request.scope.get("route"), "path", "a route")
        logger.warning("request %s to %s: %s", request_id(request.scope), route, error.detail)
    title = (type(error).__doc__ or "").strip().splitlines()[0]
    return problem_response(
        request,
        code=error.code,
        title=title,
        status=error.status,
        detail=f"{title} {reason_in_log(request)}" if error.is_internal else error.detail,
        retry_helps=error.retry_helps,
        headers=headers,
        extensions=error.extensions,
    )


def reason_in_log(request: Request) -> str:
    """Name where an operator finds what callers are not told: folders and addresses."""
    return f"The server's log says why, under the request id {request_id(request.scope)}."


def http_problem(request: Request, error: HTTPException) -> Response:
    """Answer with an error of the framework: no such route, no such method, no multipart."""
    if error.status_code == TooLargeError.status:
        return packshot_problem(request, TooLargeError(error.detail))
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_methods_at(request))}
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != phrase else _HTTP_DETAILS.get(error.status_code)
    return problem_response(
        request,
        code=phrase.lower().replace(" ", "_").replace("-", "_"),
        title=phrase,
        status=error.status_code,
        detail=detail or f"{phrase}.",
        headers=headers,
    )


def _methods_at(request: Request) -> Sequence[str]:
    """Find the methods of all routes of a path: the router knows only the first one's."""
    path = request.scope["path"]
    routes = [
        one
        for one in iter_route_contexts(request.app.routes)
        if one.methods and one.path_regex.match(path)
    ]
    return sorted({method for one in routes for method in one.methods or ()})


_HTTP_DETAILS = {
    404: "There is nothing at this path; /docs lists what there is.",
    405: "This path does not take that method; /docs lists what there is.",
}


def validation_problem(request: Request, error: RequestValidationError) -> Response:
    """Answer with every value that does not fit the schema."""
    errors = [describe(one) for one in error.errors()]
    named = [
        f"{one['column']}: {one['message']}" if one["column"] else one["message"]
        for one in errors[:3]
    ]
    named += [f"and {len(errors) - 3} more"] if len(errors) > 3 else []
    detail = "; ".join([one.removesuffix(".") for one in named[:-1]] + named[-1:])
    full_stop = "" if detail.endswith((".", "?")) else "."
    return packshot_problem(
        request,
        InvalidRequestError(f"The request is not valid: {detail}{full_stop}", errors=errors),
    )


def describe(error: Mapping[str, Any]) -> dict[str, Any]:
    """Turn one of pydantic's errors into `{line, column, message}`."""
    place = [str(part) for part in error["loc"]]
    if place and place[0] in ("body", "query", "path", "header"):
        place = place[1:]
    message = error["msg"].removeprefix("Value error, ")
    return {"line": None, "column": ".".join(place) or None, "message": message}


def database_problem(request: Request, error: Exception) -> Response:
    """Answer while Postgres cannot serve."""
    url = request.state.services.database.url
    address = f"Postgres at {url.host}:{url.port}"
    if isinstance(error, PoolTimeoutError):
        detail = f"All connections to {address} are in use. Try again in a moment."
    elif isinstance(error, ProgrammingError):
        detail = f"The database at {address} is not of this version. Run `packshot migrate`."
    elif isinstance(getattr(error, "orig", None), DiskFull):
        detail = f"{address} has no room on its disk. Make room, and send the request again."
    else:
        reason = first_line(getattr(error, "orig", None) or error)
        detail = f"{address} does not answer ({reason}). Try again; GET /readyz tells how it is."
    return packshot_problem(request, ServiceDownError(detail))


def programming_problem(request: Request, error: ProgrammingError) -> Response:
    """Answer when tables are missing; anything else is our own mistake."""
    if isinstance(error.orig, UndefinedTable | UndefinedColumn):
        return database_problem(request, error)
    return unexpected_problem(request, error)


def storage_problem(request: Request, error: Exception) -> Response:
    """Answer while S3 cannot serve."""
    address = request.state.services.storage.address
    return packshot_problem(
        request,
        ServiceDownError(
            f"S3 at {address} does not answer ({error}). Try again; GET /readyz tells how it is."
        ),
    )


def unexpected_problem(request: Request, error: Exception) -> Response:
    """Answer after a mistake of ours, with its traceback in the log under the request's id."""
    # Named: in a middleware nothing else logs it.
    logger.error("request %s failed: %r", request_id(request.scope), error, exc_info=error)
    return problem_response(
        request,
        code=PackshotError.code,
        title="Something in packshot went wrong.",
        status=500,
        detail=f"Something in packshot went wrong. The server's log has it under the request id "
        f"{request_id(request.scope)}.",
        # The server closes the connection behind an error that it logs: a client that kept it for
        # its next request would find it reset.
        headers={"Connection": "close"},
    )


def memory_problem(request: Request, _: MemoryError) -> Response:
    """Answer to what needs more memory than its process may have."""
    settings = request.state.services.settings
    return packshot_problem(
        request,
        TooLargeError(
            f"This takes more than {settings.sheet_memory_bytes:,} bytes of memory, which is the "
            "most of one sheet (PACKSHOT_SHEET_MEMORY_BYTES). Split it."
        ),
    )


HANDLERS: Mapping[type[Exception], Any] = {
    PackshotError: packshot_problem,
    HTTPException: http_problem,
    RequestValidationError: validation_problem,
    OperationalError: database_problem,
    PoolTimeoutError: database_problem,
    ProgrammingError: programming_problem,
    BotoCoreError: storage_problem,
    ClientError: storage_problem,
    MemoryError: memory_problem,
    Exception: unexpected_problem,
}
"""What answers to which error; the first that fits."""


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)


def answer_error(request: Request, error: Exception) -> Response:
    """Answer with an error that was raised before the application was asked."""
    handler = next(handler for kind, handler in HANDLERS.items() if isinstance(error, kind))
    response: Response = handler(request, error)
    return response


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document which problems a route may answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
        for status in statuses
    }
