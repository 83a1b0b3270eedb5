"""Signing in with an API key, and out again."""

import secrets
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import Response

from api.auth.cookies import SESSION_COOKIE, VISIT_COOKIE, cookies_of, csrf_token
from api.auth.page_sessions import is_behind_https
from api.dependencies import ServicesNow, SessionNow
from api.pages.page import Page, PageNow
from api.pages.problems import path_within
from api.pages.route import page_router
from core.keys import find_key
from core.links import WORKBENCH
from core.page_sessions import begin_session, end_session

router = page_router(prefix=WORKBENCH)

UNKNOWN = "This API key is unknown, revoked or expired. Look whether it was copied as a whole."


def _show(
    request: Request,
    next_path: str,
    *,
    status: int = 200,
    ended: bool = False,
    sent: bool = False,
    error: str = "",
) -> Response:
    page = Page(request=request)
    secret, fresh = page.secret, ""
    if not secret:
        secret = fresh = secrets.token_urlsafe(32)
    response = page.show(
        "sign_in.html",
        status=status,
        next_path=next_path,
        ended=ended,
        sent=sent,
        error=error,
        token=csrf_token(secret),
    )
    if fresh:
        response.set_cookie(VISIT_COOKIE, fresh, path=WORKBENCH, httponly=True, samesite="lax")
    return response


@router.get("/sign-in")
def get_sign_in(
    request: Request,
    next_path: Annotated[str, Query(alias="next")] = f"{WORKBENCH}/",
    ended: bool = False,
    sent: bool = False,
) -> Response:
    """Ask for a key."""
    return _show(request, path_within(next_path), ended=ended, sent=sent)


@router.post("/sign-in")
def post_sign_in(
    request: Request,
    services: ServicesNow,
    session: SessionNow,
    key: Annotated[str, Form()] = "",
    next_path: Annotated[str, Form(alias="next")] = f"{WORKBENCH}/",
) -> Response:
    """Begin a session, and lead to where one wanted to go."""
    plain, next_path = key.strip(), path_within(next_path)
    found = find_key(session, plain)
    if found is None:
        return _show(request, next_path, status=401, error=UNKNOWN)
    settings = services.settings
    if before := cookies_of(request.scope).get(SESSION_COOKIE):
        end_session(session, before)
    token = begin_session(session, found, plain, seconds=settings.page_session_seconds)
    response = Page(request=request).go(next_path)
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=settings.page_session_seconds,
        path=WORKBENCH,
        httponly=True,
        samesite="lax",
        secure=is_behind_https(request, settings.public_url),
    )
    response.delete_cookie(VISIT_COOKIE, path=WORKBENCH)
    return response


@router.post("/sign-out")
def post_sign_out(page: PageNow, session: SessionNow) -> Response:
    """End the session, here and for whoever else has its cookie."""
    end_session(session, cookies_of(page.request.scope)[SESSION_COOKIE])
    response = page.go(f"{WORKBENCH}/sign-in")
    response.delete_cookie(SESSION_COOKIE, path=WORKBENCH)
    return response
