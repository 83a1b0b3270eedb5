"""Stylesheets and scripts: ours, and those of others with their licences beside them."""

from fastapi.responses import RedirectResponse, Response

from api.pages.rendering import STATIC
from api.routing.strict_route import Router, StrictRoute
from core.errors import NotFoundError
from core.links import WORKBENCH

FOREVER = "public, max-age=31536000, immutable"

router = Router(route_class=StrictRoute, include_in_schema=False)


@router.get(f"{WORKBENCH}/static/{{digest}}/{{name}}")
async def get_static(digest: str, name: str) -> Response:
    """Send a file; with another digest it is of another version of packshot."""
    found = STATIC.get(name)
    if found is None or found.digest != digest:
        raise NotFoundError("There is no such file. Load the page again.")
    return Response(found.body, media_type=found.content_type, headers={"Cache-Control": FOREVER})


@router.get("/")
@router.get(WORKBENCH)
async def get_root() -> Response:
    """Lead to the first page."""
    return RedirectResponse(f"{WORKBENCH}/", status_code=307)
