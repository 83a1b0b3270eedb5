"""System: what waits in which lane, who works, and what the caches did."""

from fastapi.responses import Response

from api.dependencies import ServicesNow, SessionNow, Tenant
from api.pages.page import PageNow
from api.pages.route import page_router
from api.routes.caches import get_stats
from api.views.models import list_models
from core import queue_stats
from core.domain.lanes import Lane
from core.links import WORKBENCH

router = page_router(prefix=f"{WORKBENCH}/system")


@router.get("")
def get_system(
    page: PageNow, tenant: Tenant, services: ServicesNow, session: SessionNow
) -> Response:
    """Show the tenant's queue, the workers, and what was spared."""
    found = queue_stats.read(session, tenant=tenant)
    return page.show(
        "system_live.html" if page.is_fragment else "system.html",
        lanes={lane: {one.state: one for one in found if one.lane is lane} for lane in Lane},
        models=list_models(session, services.models, tenant),
        caches=get_stats(tenant, session),
        flower=services.settings.flower_url,
    )
