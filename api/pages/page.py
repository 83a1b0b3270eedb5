"""A page for whoever asked: rendered, or left for another one."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.auth.callers import known_caller
from api.auth.cookies import SESSION_COOKIE, VISIT_COOKIE, cookies_of, csrf_token
from api.dependencies import Caller
from api.pages.messages import MESSAGE_COOKIE, open_message, seal_message
from api.pages.navigation import places_for
from api.pages.rendering import TEMPLATES
from core.db.models import ApiKey
from core.domain.scopes import Scope
from core.links import WORKBENCH

MESSAGE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a route answers with; `page` in every template."""

    request: Request

    @property
    def caller(self) -> ApiKey | None:
        """The key that is signed in; None: nobody is."""
        return known_caller(self.request.scope)

    @property
    def secret(self) -> str:
        """The cookie that forms and messages hang on; empty: the browser has none."""
        cookies = cookies_of(self.request.scope)
        return cookies.get(SESSION_COOKIE) or cookies.get(VISIT_COOKIE) or ""

    @property
    def csrf(self) -> str:
        """What every form carries."""
        return csrf_token(self.secret)

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks, for a part of a page that is there already."""
        headers = self.request.headers
        return "hx-request" in headers and "hx-boosted" not in headers

    def may(self, scope: str) -> bool:
        """Check whether whoever is signed in has a scope."""
        return self.caller is not None and Scope(scope) in self.caller.scopes

    def show(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Render a template of `templates/`.

        Args:
            template: Its file name.
            status: The HTTP status.
            values: What it needs, beside `page`.
        """
        sent = cookies_of(self.request.scope).get(MESSAGE_COOKIE)
        # A fragment that comes at the same time would take the message from the page.
        message = None if self.is_fragment else open_message(sent, self.secret)
        body = TEMPLATES.get_template(template).render(
            page=self,
            message=message,
            places=places_for(self.caller.scopes if self.caller else ()),
            **values,
        )
        response = HTMLResponse(body, status_code=status)
        if sent is not None and not self.is_fragment:
            response.delete_cookie(MESSAGE_COOKIE, path=WORKBENCH)
        return response

    def go(self, path: str, message: str | None = None) -> Response:
        """Send the browser to another page, which shows a message once."""
        if self.is_fragment:
            response: Response = Response(status_code=204, headers={"HX-Redirect": path})
        else:
            response = RedirectResponse(path, status_code=303)
        if message is not None:
            value = seal_message(message, self.secret)
            response.set_cookie(
                MESSAGE_COOKIE,
                value,
                max_age=MESSAGE_SECONDS,
                path=WORKBENCH,
                httponly=True,
                samesite="lax",
            )
        return response


async def get_page(request: Request, _: Caller) -> Page:
    """Return the page of a request, whose browser is signed in."""
    return Page(request=request)


PageNow = Annotated[Page, Depends(get_page)]
