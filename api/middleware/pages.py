"""What a request for a page passes: who signed in, where it comes from, what it may load."""

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.cookies import OPEN, is_page
from api.auth.page_sessions import check_origin, require_page_caller
from api.auth.rate_limiter import Standing
from api.pages.rendering import PICTURES
from api.problems import answer_error
from api.services import Services
from core.links import WORKBENCH

HEADERS = {
    # `data:` for the icons in the stylesheet.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    # Not `no-referrer`: browsers would send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class PagesMiddleware:
    """Finds who signed in before anything of a page's request is read, and seals its answer."""

    def __init__(self, app: ASGIApp, *, counts: bool) -> None:
        """Wrap an application.

        Args:
            app: What answers requests.
            counts: Whether requests count for their key's limit here; pictures never do, of which
                one page shows many.
        """
        self.app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not is_page(scope["path"]):
            await self.app(scope, receive, send)
            return

        async def send_sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            standing = await run_in_threadpool(self._admit, scope)
            if standing is not None and not standing.allowed:
                raise standing.error()
        except Exception as error:
            await answer_error(Request(scope), error)(scope, receive, send_sealed)
            return
        await self.app(scope, receive, send_sealed)

    def _admit(self, scope: Scope) -> Standing | None:
        path, services = scope["path"], _services(scope)
        changes = scope["method"] not in ("GET", "HEAD")
        if changes:
            check_origin(scope, services.settings.public_url)
        if path.startswith(OPEN):
            if not changes or path != f"{WORKBENCH}/sign-in" or not self._counts:
                return None
            host, _ = scope.get("client") or ("", 0)
            return services.rate_limiter.count_sign_in(host)
        key = require_page_caller(services, scope)
        if not self._counts or path.startswith(PICTURES):
            return None
        return services.rate_limiter.count(key)


def _services(scope: Scope) -> Services:
    services: Services = scope["state"]["services"]
    return services
