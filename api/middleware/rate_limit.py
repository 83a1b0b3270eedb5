"""Requests per minute: counted before anything of a request is read."""

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.callers import find_caller
from api.auth.rate_limiter import Standing
from api.problems import answer_error, packshot_problem
from api.services import Services


class RateLimitMiddleware:
    """Answers 429 to a key that sends too much, before anything of its request is read."""

    def __init__(self, app: ASGIApp, *, counts: bool = True) -> None:
        """Wrap an application.

        Args:
            app: What answers within the limit.
            counts: Whether requests are counted; False: only the caller is looked up.
        """
        self.app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
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
        key = find_caller(services, scope)
        return services.rate_limiter.count(key) if key and self._counts else None
