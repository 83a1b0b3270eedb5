"""Routes that take what they describe, and refuse the rest in a sentence."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from fastapi.types import DecoratedCallable

from catalogue.names import suggestion
from core.errors import InvalidRequestError, UnsupportedMediaTypeError

Endpoint = Callable[..., Any]


class Router(APIRouter):
    """A router whose routes for GET answer HEAD too (RFC 9110, section 9.1)."""

    def get(self, path: str, **options: Any) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Register an endpoint for GET, which the description names, and for HEAD."""
        get = super().get(path, **options)
        head = super().head(path, **options | {"include_in_schema": False})
        return lambda endpoint: head(get(endpoint))


class StrictRoute(APIRoute):
    """A route that refuses query parameters that it does not know, and bodies that are no JSON.

    A name that is misspelt would otherwise be left out of account, and nobody told.
    """

    takes_any_query = False
    """Whether other people's programs ask, which add parameters of their own."""
    takes_forms = False
    """Whether bodies are forms, as browsers send them."""

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        # Behind the router's own: without a key nothing is said of the request.
        checks = [*(options.pop("dependencies", None) or ()), Depends(self._check)]
        super().__init__(path, endpoint, dependencies=checks, **options)

    @cached_property
    def _query_names(self) -> frozenset[str]:
        params = get_flat_params(self.dependant)
        return frozenset(one.alias for one in params if isinstance(one.field_info, Query))

    async def _check(self, request: Request) -> None:
        unknown = [name for name in request.query_params if name not in self._query_names]
        if unknown and not self.takes_any_query:
            raise InvalidRequestError(
                " ".join(_unknown(name, self._query_names) for name in unknown[:3]),
                errors=[
                    {"line": None, "column": name, "message": _unknown(name, self._query_names)}
                    for name in unknown
                ],
            )
        is_json = self.takes_forms or not _has_body(request) or _is_json(request)
        if self.body_field is not None and not is_json:
            sent = request.headers.get("content-type") or "A body without Content-Type"
            raise UnsupportedMediaTypeError(
                f"{sent} is not accepted here: send JSON, with `Content-Type: application/json`."
            )


def _unknown(name: str, known: frozenset[str]) -> str:
    there_are = f"there are {', '.join(sorted(known))}" if known else "there are none here"
    return f"There is no query parameter {name!r}; {there_are}.{suggestion(name, known)}"


def _has_body(request: Request) -> bool:
    return (
        "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"
    )


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind, _, subtype = media_type.partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))
