"""The OpenAPI document: what all routes have in common is written into it here."""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.idempotency import HEADER, REPLAYED
from api.middleware.request_id import HEADER as REQUEST_ID
from api.pages.docs import render
from api.problems import MEDIA_TYPE, Problem, problems
from core.pictures.formats import Format
from core.pictures.headers import MEDIA_TYPES

DESCRIPTION = """
Product sheets in, product images out.

Send a sheet to `POST /v1/batches`, or ask for one image with `POST /v1/jobs`. Both answer 202 at
once; ask for the batch or job with `wait`, or listen to a batch's events, until it is finished.
Every error is an RFC 9457 problem document.

A `POST` with an `Idempotency-Key` can be sent again: it is done once, and answered as the first
time, with `Idempotency-Replayed: true`; the same key with another request is refused. Lists are
pages of `items`: send `next` as `cursor` to get the page that follows, until it is null. Every
`GET` answers `HEAD` too. What a request says that no route knows, in its query or its JSON, is
refused.

Beside it `/openai/v1` speaks OpenAI's images API, for its clients (docs/openai.md).
"""

EXAMPLES = Path(__file__).with_name("examples.json")
"""By operation: the body of a request that is taken, and of answers by their status."""
JSON = "application/json"

Responses = dict[int | str, dict[str, Any]]

ANY = problems(405, 422)
"""What every route may answer with."""

WITH_KEY = problems(401, 403, 429, 503)
"""What a route that asks for a key may answer with, beside."""

WITH_BODY = problems(400, 413, 415)
"""What a route with a body may answer with, beside: it cannot be read, or is too large."""

REPEATABLE = problems(400, 409, 413)
"""What a POST with an Idempotency-Key may answer with, beside."""


def header(description: str, *, always: bool = False, **schema: Any) -> dict[str, Any]:
    """Describe a header of an answer, a text unless the schema says otherwise."""
    return {"description": description, "required": always, "schema": {"type": "string"} | schema}


def file_of(*media_types: str) -> dict[str, Any]:
    """Describe an answer that is a file: text where its type says so, else bytes."""
    text, binary = {"type": "string"}, {"type": "string", "format": "binary"}
    return {
        "content": {
            one: {"schema": text if one.startswith("text/") else binary} for one in media_types
        }
    }


LOCATION = {"headers": {"Location": header("Path of what was made.", always=True)}}
"""Of an answer to what made something."""

_ETAG = header("The SHA-256 of the bytes, hex, in quotes.", always=True)
_FILE_HEADERS = {
    "ETag": _ETAG,
    "Cache-Control": header("How long it may be kept, and by whom.", always=True),
    "Accept-Ranges": header("`bytes`: parts can be asked for.", always=True),
}


def _parts_of(*media_types: str) -> Responses:
    """Describe the answers of a route that sends a file, or a part of it."""
    return {
        200: file_of(*media_types) | {"headers": _FILE_HEADERS},
        206: {
            "description": "The part that `Range` names.",
            **file_of(*media_types),
            "headers": _FILE_HEADERS
            | {"Content-Range": header("Which bytes, of how many.", always=True)},
        },
        304: {"description": "The client has it already.", "headers": {"ETag": _ETAG}},
        **problems(416),
    }


IMAGE_FILE = _parts_of(*(one.content_type for one in Format))
"""Answers of a route that sends an image."""


def source_file() -> Responses:
    """Describe the answers of a route that sends a photograph, as it came."""
    return _parts_of(*MEDIA_TYPES)


_PROBLEM_HEADERS = {
    401: {"WWW-Authenticate": header("How to send a key.", always=True)},
    405: {"Allow": header("The methods that there are.", always=True)},
    416: {"Content-Range": header("How many bytes there are.", always=True)},
    429: {"Retry-After": header("Seconds.", always=True, type="integer")},
    503: {"Retry-After": header("Seconds; not where waiting does not help.", type="integer")},
}
_REQUEST_ID = {"$ref": f"#/components/headers/{REQUEST_ID}"}


class Application(FastAPI):
    """FastAPI with problem documents in its OpenAPI."""

    def openapi(self) -> dict[str, Any]:
        """Describe the routes, and what all of them share."""
        if self.openapi_schema is None:
            schema = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
                routes=self.routes,
            )
            for path, methods in schema["paths"].items():
                for method, operation in methods.items():
                    _complete(operation, repeatable=method == "post" and path.startswith("/v1/"))
            _add_examples(schema)
            _share(schema)
            self.openapi_schema = schema
        return self.openapi_schema

    @cached_property
    def page(self) -> str:
        """Return the same as a page for people."""
        return render(self.openapi())


def _complete(operation: dict[str, Any], *, repeatable: bool) -> None:
    responses = operation["responses"]
    if MEDIA_TYPE not in responses.get("422", {}).get("content", {}):
        # FastAPI's own has another form than ours.
        responses.pop("422", None)
    shared = ANY | (WITH_KEY if operation.get("security") else {})
    shared |= WITH_BODY if "requestBody" in operation else {}
    shared |= REPEATABLE if repeatable else {}
    for status, response in shared.items():
        responses.setdefault(str(status), response)
    for response in responses.values():
        response["headers"] = {REQUEST_ID: _REQUEST_ID} | response.get("headers", {})
    if repeatable:
        operation.setdefault("parameters", []).append({"$ref": f"#/components/parameters/{HEADER}"})
        for status, response in responses.items():
            if status.startswith("2"):
                response["headers"][REPLAYED] = header("`true`: this is the answer from before.")


def _add_examples(schema: dict[str, Any]) -> None:
    """Add to operations what is sent and answered, as it was once."""
    examples = json.loads(EXAMPLES.read_text())
    for methods in schema["paths"].values():
        for operation in methods.values():
            found = examples.get(operation["operationId"], {})
            if "request" in found:
                operation["requestBody"]["content"][JSON]["example"] = found["request"]
            for status, answer in found.get("answer", {}).items():
                operation["responses"][status]["content"][JSON]["example"] = answer


def _share(schema: dict[str, Any]) -> None:
    """Write down once what many routes share."""
    components = schema["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["schemas"]["Problem"] = Problem.model_json_schema()
    components["headers"] = {
        REQUEST_ID: header("The request's id, yours if you sent one.", always=True)
    }
    components["parameters"] = {
        HEADER: {
            "name": HEADER,
            "in": "header",
            "required": False,
            "schema": {
                "type": "string",
                "pattern": r'^("[ !#-\[\]-~]{1,255}"|[!#-~]{1,255})$',
                "maxLength": 257,
            },
            "description": "A new UUID, for example. The same request with the same key is "
            "done once, and answered as it was the first time.",
        }
    }
    components["responses"] = {}
    for responses in _responses(schema):
        for status in [one for one in responses if MEDIA_TYPE in responses[one].get("content", {})]:
            name = f"Problem{status}"
            shared = responses[status]
            shared["headers"] |= _PROBLEM_HEADERS.get(int(status), {})
            components["responses"][name] = shared
            responses[status] = {"$ref": f"#/components/responses/{name}"}


def _responses(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in schema["paths"].values():
        for operation in methods.values():
            yield operation["responses"]
