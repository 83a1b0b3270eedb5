"""Whose a request is, and whether its key may send it: found out before anything of it is read."""

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.callers import may_be_nobody, require_caller
from api.auth.rate_limiter import Standing
from api.problems import answer_error, packshot_problem
from api.services import Services
from core.links import OPENAI

WITH_KEY = ("/v1/", f"{OPENAI}/")
"""What paths begin with that ask for a key."""


class AuthenticationMiddleware:
    """Answers 401 without a key that works, and 429 to one that sends too much."""

    def __init__(self, app: ASGIApp, *, counts: bool) -> None:
        """Wrap an application.

        Args:
            app: What answers requests with keys, and those that ask for none.
            counts: Whether requests count for their key's limit here.
        """
        self.app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not scope["path"].startswith(WITH_KEY):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        try:
            standing = await run_in_threadpool(self._count, scope)
        except Exception as error:
            await answer_error(request, error)(scope, receive, send)
            return
        if standing is None:
            await self.app(scope, receive, send)
            return

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in standing.headers().items():
                    # Beside what the answer says of another limit.
                    headers.append(name, value)
            await send(message)

        if standing.allowed:
            await self.app(scope, receive, send_with_standing)
        else:
            problem = packshot_problem(request, standing.error())
            await problem(scope, receive, send_with_standing)

    def _count(self, scope: Scope) -> Standing | None:
        services: Services = scope["state"]["services"]
        if may_be_nobody(services, scope):
            host, _ = scope.get("client") or ("", 0)
            return services.rate_limiter.count_address(host) if self._counts else None
        key = require_caller(services, scope)
        return services.rate_limiter.count(key) if self._counts else None
