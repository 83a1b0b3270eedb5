"""The OpenAPI document: what all routes have in common is written into it here."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.idempotency import HEADER
from api.problems import Problem, problems

DESCRIPTION = """
Product sheets in, product images out.

Send a sheet to `POST /v1/batches`, or ask for one image with `POST /v1/jobs`. Both answer 202 at
once; read the batch or job until it is finished. Every error is an RFC 9457 problem document.
A `POST` with an `Idempotency-Key` can be sent again: it is done once.
"""

EVERY = problems(401, 403, 422, 429, 503)
"""What a route that asks for a key may answer with, whatever it does."""

WITH_BODY = problems(400, 413)
"""What a route with a body may answer with, beside: it cannot be read at all, or is too large."""

REPEATABLE = problems(400, 409, 413)
"""What a POST with an Idempotency-Key may answer with, beside."""


class Application(FastAPI):
    """FastAPI with problem documents in its OpenAPI."""

    def openapi(self) -> dict[str, Any]:
        """Describe the routes, and what all of them share."""
        if self.openapi_schema is None:
            schema = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
            )
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            components["Problem"] = Problem.model_json_schema()
            for path, methods in schema["paths"].items():
                for method, operation in methods.items():
                    if operation.get("security"):
                        _complete(operation, repeatable=method == "post" and "/v1/" in path)
            self.openapi_schema = schema
        return self.openapi_schema


def _complete(operation: dict[str, Any], *, repeatable: bool) -> None:
    shared = EVERY | (WITH_BODY if "requestBody" in operation else {})
    shared |= REPEATABLE if repeatable else {}
    for status, response in shared.items():
        # FastAPI's own 422 has another form than ours.
        operation["responses"].setdefault(str(status), response)
    if repeatable:
        operation.setdefault("parameters", []).append(
            {
                "name": HEADER,
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 257},
                "description": "A new UUID, for example. The same request with the same key is "
                "done once, and answered as it was the first time.",
            }
        )
