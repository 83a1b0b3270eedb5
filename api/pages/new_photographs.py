"""Photographs beside the sheet of a new batch: kept as they come, before the sheet is looked at."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from api.auth.cookies import CSRF_FIELD, CSRF_HEADER
from api.dependencies import ServicesNow, SessionNow, Submitter
from api.pages.new import KEPT, show_new
from api.pages.page import PageNow
from api.pages.route import StreamedPageRoute, check_token, page_router
from api.submission.album import KeptAlbum, receive_album
from core.links import NEW_PHOTOGRAPHS

router = page_router(StreamedPageRoute, prefix=NEW_PHOTOGRAPHS)

_Received = tuple[KeptAlbum, dict[str, str]]


async def receive_photographs(
    request: Request, caller: Submitter, services: ServicesNow
) -> _Received:
    """Receive the form, and keep its photographs before the route's transaction begins.

    Returns:
        Those that came now, and the form's fields.

    Raises:
        ForbiddenError: The form's token is missing before its first file, or another session's.
        PackshotError: As `receive_album`.
    """
    header = request.headers.get(CSRF_HEADER)
    album, fields = await receive_album(
        request,
        services,
        caller,
        lambda fields: check_token(request, header or fields.get(CSRF_FIELD)),
    )
    return album, {name: value for name, value in fields.items() if name != CSRF_FIELD and value}


@router.post("")
def post_photographs(
    page: PageNow,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    received: Annotated[_Received, Depends(receive_photographs)],
) -> Response:
    """Show which photographs are there, with those that the form lists."""
    album, given = received
    album.add(KeptAlbum.read(given.get(KEPT, "")))
    if not page.is_fragment:
        return show_new(page, session, services, caller, given, album=album)
    response = page.show("new_photographs.html", album=album)
    # The page looks at its sheet once more.
    response.headers["HX-Trigger-After-Swap"] = "photographs"
    return response
