"""X-Request-ID: taken from the client or made, sent back, and named in problems and logs."""

import re

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.db.models.columns import new_id

HEADER = "X-Request-ID"

_KEY = "packshot.request_id"
_SAFE = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


def request_id(scope: Scope) -> str:
    """Return the id of a request that went through the middleware."""
    return str(scope.get(_KEY, ""))


class RequestIdMiddleware:
    """Adds an id to every request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(HEADER, "")
        identity = sent if _SAFE.fullmatch(sent) else str(new_id())
        scope[_KEY] = identity

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        # In every line that is logged meanwhile, also by what runs in threads.
        with structlog.contextvars.bound_contextvars(request_id=identity):
            await self.app(scope, receive, send_with_id)
