"""Cookies of the pages, and what is derived from them."""

import hashlib
import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.types import Scope

from core.links import WORKBENCH

SESSION_COOKIE = "packshot_session"
VISIT_COOKIE = "packshot_visit"
"""Of a browser that is not signed in: what the token in the form for signing in hangs on."""
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
OPEN = (f"{WORKBENCH}/sign-in", f"{WORKBENCH}/static/")
"""What paths begin with that are answered without a session."""


def is_page(path: str) -> bool:
    """Check whether a path is one of the pages'."""
    return path == WORKBENCH or path.startswith(f"{WORKBENCH}/")


def cookies_of(scope: Scope) -> Mapping[str, str]:
    """Read a request's cookies; what is none is left out."""
    cookies: SimpleCookie = SimpleCookie()
    for header in Headers(scope=scope).getlist("cookie"):
        try:
            cookies.load(header)
        except CookieError:
            continue
    return {name: one.value for name, one in cookies.items()}


def csrf_token(secret: str) -> str:
    """Derive the token that a page's forms carry from the cookie that only the browser has."""
    return hmac.new(secret.encode(), b"packshot csrf", hashlib.sha256).hexdigest()
