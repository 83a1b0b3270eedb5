"""Home: what was sent, how far it is, and what waits."""

from fastapi.responses import Response

from api.dependencies import ServicesNow, SessionNow, Tenant
from api.pages.page import PageNow
from api.pages.route import page_router
from api.views.batches import list_batches
from api.views.cursors import Cursor
from api.views.models import list_models
from core.links import WORKBENCH

AT_ONCE = 20

router = page_router(prefix=WORKBENCH)


@router.get("/")
def get_home(
    page: PageNow,
    tenant: Tenant,
    services: ServicesNow,
    session: SessionNow,
    cursor: Cursor = None,
) -> Response:
    """Show the batches, newest first."""
    models = list_models(session, services.models, tenant)
    return page.show(
        "home_live.html" if page.is_fragment else "home.html",
        batches=list_batches(session, tenant, cursor=cursor, limit=AT_ONCE),
        cursor=cursor,
        waiting=sum(one.waiting_images for one in models.items)
        + sum(one.waiting_images for one in models.others),
        workers=max((one.workers for one in models.items), default=0),
        lacking=[one for one in models.items if one.waiting_images and not one.workers],
    )
