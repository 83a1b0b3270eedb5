"""Errors as people see them: a page with one sentence, or the way to sign in."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from api.auth.cookies import SESSION_COOKIE, cookies_of, is_page
from core.links import WORKBENCH


def problem_page(
    request: Request, problem: Mapping[str, Any], headers: Mapping[str, str]
) -> Response:
    """Answer with a problem document's sentence.

    Args:
        request: What went wrong.
        problem: What programs are told (RFC 9457).
        headers: Of the answer.
    """
    # Late: pages are made of what raises problems.
    from api.pages.page import Page  # noqa: PLC0415

    page = Page(request=request)
    if problem["status"] == HTTPStatus.UNAUTHORIZED:
        return _to_sign_in(request, is_fragment=page.is_fragment)
    template = "problem_fragment.html" if page.is_fragment else "problem.html"
    response = page.show(template, status=problem["status"], problem=problem)
    response.headers.update(headers)
    if page.is_fragment:
        # Whatever it was to replace stays as it is.
        response.headers.update({"HX-Retarget": "#messages", "HX-Reswap": "innerHTML"})
    return response


def _to_sign_in(request: Request, *, is_fragment: bool) -> Response:
    """Lead to where one signs in, and from there back to where one was."""
    query = {"next": _where_one_was(request)}
    if SESSION_COOKIE in cookies_of(request.scope):
        query["ended"] = "1"
        if request.method not in ("GET", "HEAD"):
            query["sent"] = "1"
    path = f"{WORKBENCH}/sign-in?{urlencode(query)}"
    if is_fragment:
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


def _where_one_was(request: Request) -> str:
    if request.method in ("GET", "HEAD") and "hx-request" not in request.headers:
        return path_within(f"{request.url.path}?{request.url.query}")
    sent = request.headers.get("hx-current-url") or request.headers.get("referer") or ""
    parts = urlsplit(sent)
    return path_within(f"{parts.path}?{parts.query}")


def path_within(path: str) -> str:
    """Return a path if it is one of the pages', and that of the first page otherwise."""
    path = path.removesuffix("?")
    parts = urlsplit(path)
    is_ours = not parts.scheme and not parts.netloc and is_page(parts.path)
    return path if is_ours and path.isprintable() and "\\" not in path else f"{WORKBENCH}/"
