"""What an API process counts of its requests, for Prometheus."""

import time

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware import client_left

REQUESTS = Counter("packshot_http_requests", "Answered requests.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "packshot_http_request_seconds",
    "Seconds from a request's headers to the end of its answer.",
    ["method", "route"],
    buckets=(0.003, 0.01, 0.03, 0.05, 0.1, 0.3, 1, 3, 10, 30, 100),
)
METHODS = {"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}
OTHER = "other"
"""In place of what a caller made up: every label value is kept for the life of the process."""

_WAITS = "packshot.waits"


def note_waiting(scope: Scope) -> None:
    """Record that a request waits for something to happen: it is counted, and not timed."""
    scope[_WAITS] = True


class RequestMetricsMiddleware:
    """Counts requests by route: the pattern, never the ids in a path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER
            route = getattr(scope.get("route"), "path", OTHER)
            if client_left.client_left(scope):
                status = client_left.STATUS
            REQUESTS.labels(method, route, str(status)).inc()
            if _WAITS not in scope:
                REQUEST_SECONDS.labels(method, route).observe(time.perf_counter() - begun)
