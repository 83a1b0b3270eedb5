"""Who a page is shown to: the key that a browser signed in with, found by its cookie."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from api.auth.callers import note_caller
from api.auth.cookies import SESSION_COOKIE, cookies_of
from api.services import Services
from core.db.models import ApiKey
from core.errors import ForbiddenError, UnauthorizedError
from core.page_sessions import find_session, touch_session


def require_page_caller(services: Services, scope: Scope) -> ApiKey:
    """Find the key that a request's browser signed in with.

    Asked anew for each request, as keys are: what is revoked or signed out is so at once.

    Raises:
        UnauthorizedError: Nobody signed in, or the session has ended.
    """
    token = cookies_of(scope).get(SESSION_COOKIE)
    if not token:
        raise UnauthorizedError("Sign in first.")
    idle = services.settings.page_idle_seconds
    with services.database.reader() as session:
        found = find_session(session, token, idle_seconds=idle)
    if found is None:
        raise UnauthorizedError("Your session has ended. Sign in again.")
    if found.stale:
        with services.database.session() as session:
            touch_session(session, found.id)
    services.key_use.note(found.key.id)
    note_caller(scope, found.key)
    return found.key


def check_origin(scope: Scope, public_url: str) -> None:
    """Check that a request which changes something was sent by a page of this server.

    Browsers say so themselves (Fetch Metadata; older ones and plain HTTP: Origin). What says
    nothing is no browser of today; it needs the form's token as well.

    Raises:
        ForbiddenError: It comes from elsewhere.
    """
    headers = Headers(scope=scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        allowed = site == "same-origin"
    elif origin is not None:
        ours = {headers.get("host"), urlsplit(public_url).netloc}
        # Not `null`, which has no host.
        allowed = urlsplit(origin).netloc in ours - {""}
    else:
        allowed = True
    if not allowed:
        raise ForbiddenError("This was sent from another site. Open the page here, and repeat it.")


def is_behind_https(request: Request, public_url: str) -> bool:
    """Check whether the browser speaks HTTPS, to this process or to a proxy in front."""
    public = urlsplit(public_url)
    return (
        request.url.scheme == "https"
        or request.headers.get("x-forwarded-proto") == "https"
        or (public.scheme == "https" and public.netloc == request.headers.get("host"))
    )
