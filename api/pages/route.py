"""Routes of pages: one transaction each, and no form without its token."""

import hmac
from typing import Any

from fastapi import Depends, Request

from api.auth.cookies import (
    CSRF_FIELD,
    CSRF_HEADER,
    SESSION_COOKIE,
    VISIT_COOKIE,
    cookies_of,
    csrf_token,
)
from api.routing.strict_route import Endpoint, Router
from api.routing.transaction_route import TransactionRoute
from core.errors import ForbiddenError


async def check_csrf(request: Request) -> None:
    """Check the token that a form or a header carries.

    Raises:
        ForbiddenError: It is missing, or another session's.
    """
    if request.method in ("GET", "HEAD"):
        return
    sent = request.headers.get(CSRF_HEADER)
    if sent is None:
        sent = (await request.form()).get(CSRF_FIELD)  # type: ignore[assignment]
    check_token(request, sent)


def check_token(request: Request, sent: object) -> None:
    """Check that a token is the one of the request's session.

    Raises:
        ForbiddenError: It is none, or another session's.
    """
    cookies = cookies_of(request.scope)
    secret = cookies.get(SESSION_COOKIE) or cookies.get(VISIT_COOKIE)
    is_ours = isinstance(sent, str) and secret is not None
    if not is_ours or not hmac.compare_digest(
        str(sent).encode(), csrf_token(secret or "").encode()
    ):
        raise ForbiddenError(
            "This form is of an earlier session. Load the page again, and send it once more."
        )


class StreamedPageRoute(TransactionRoute):
    """A route of a page that reads its form itself, piece by piece, and checks the token in it."""

    takes_forms = True


class PageRoute(TransactionRoute):
    """A route that shows a page, or does what its form says."""

    takes_forms = True

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        checks = [*(options.pop("dependencies", None) or ()), Depends(check_csrf)]
        super().__init__(path, endpoint, dependencies=checks, **options)


def page_router(route: type[TransactionRoute] = PageRoute, **options: Any) -> Router:
    """Make the router of a page, which programs are not told of."""
    return Router(route_class=route, include_in_schema=False, **options)
