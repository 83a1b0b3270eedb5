"""Models: what each can do, who serves it, and what its presets are worth."""

from fastapi.responses import Response

from api.dependencies import ServicesNow, SessionNow, Tenant
from api.pages.page import PageNow
from api.pages.route import page_router
from api.views.models import list_models
from core.links import WORKBENCH

router = page_router(prefix=f"{WORKBENCH}/models")


@router.get("")
def get_models(
    page: PageNow, tenant: Tenant, services: ServicesNow, session: SessionNow
) -> Response:
    """Show the models that requests can name."""
    return page.show("models.html", models=list_models(session, services.models, tenant))
