"""What the API is, for programs and for people."""

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse

from api.pages.docs import POLICY
from api.routing.strict_route import Router, StrictRoute

router = Router(route_class=StrictRoute, include_in_schema=False)


@router.get("/openapi.json")
def get_openapi(request: Request) -> JSONResponse:
    """Send the OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
def get_docs(request: Request) -> HTMLResponse:
    """Show it as a page that needs nothing else."""
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(request.app.page, headers=headers)
