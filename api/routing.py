"""Routes that run in one thread, from their first query to their commit."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from sqlmodel import Session

HELD = "held"
"""In a session's `info`: whoever opened it commits it, together with the answer."""


class TransactionRoute(APIRoute):
    """A route that commits its session where it used it.

    FastAPI runs a plain function in one thread, checks what it returns in another, and leaves
    the session to a third. In between, the request would hold a connection and wait for a thread:
    with all connections held so, and all threads waiting for a connection, nothing goes on.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _in_one_thread(endpoint), **options)


def _in_one_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    if iscoroutinefunction(endpoint):
        return endpoint

    def committed(**values: Any) -> Any:
        sessions = [
            value
            for value in values.values()
            if isinstance(value, Session) and not value.info.get(HELD)
        ]
        try:
            result = endpoint(**values)
            for session in sessions:
                session.commit()
        finally:
            for session in sessions:
                session.close()
        return result

    @wraps(endpoint)
    async def run(**values: Any) -> Any:
        return await run_in_threadpool(committed, **values)

    return run
