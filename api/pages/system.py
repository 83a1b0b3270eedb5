"""System: what waits in which lane, who works, and what the caches did."""

from fastapi.responses import RedirectResponse, Response

from api.dependencies import Admin, ServicesNow, SessionNow, Tenant
from api.pages.page import PageNow
from api.pages.route import page_router
from api.routes.caches import get_stats
from api.views.models import list_models
from core import queue_stats
from core.domain.lanes import Lane
from core.domain.scopes import Scope
from core.errors import NotFoundError
from core.flower_pass import Kind, make_pass
from core.links import WORKBENCH

router = page_router(prefix=f"{WORKBENCH}/system")

TO_FLOWER = f"{WORKBENCH}/system/flower"


@router.get("")
def get_system(
    page: PageNow, tenant: Tenant, services: ServicesNow, session: SessionNow
) -> Response:
    """Show the tenant's queue, the workers, and what was spared."""
    found = queue_stats.read(session, tenant=tenant)
    settings = services.settings
    is_let_in = settings.flower_login is not None and page.may(Scope.ADMIN)
    return page.show(
        "system_live.html" if page.is_fragment else "system.html",
        lanes={lane: {one.state: one for one in found if one.lane is lane} for lane in Lane},
        models=list_models(session, services.models, tenant),
        caches=get_stats(tenant, session),
        flower=TO_FLOWER if settings.flower_url and is_let_in else settings.flower_url,
    )


@router.get("/flower")
def go_to_flower(_: Admin, services: ServicesNow) -> Response:
    """Lead to Flower, with a ticket instead of its password where the API knows that."""
    settings = services.settings
    if not settings.flower_url:
        raise NotFoundError("There is no address of Flower: PACKSHOT_FLOWER_URL is not set.")
    address = f"{settings.flower_url.rstrip('/')}/"
    if settings.flower_login is not None:
        ticket = make_pass(Kind.TICKET, settings.flower_login.get_secret_value())
        address = f"{address}?{Kind.TICKET}={ticket}"
    return RedirectResponse(address, status_code=303)
