"""Home: the batches, newest first."""

from fastapi.responses import Response

from api.dependencies import SessionNow, Tenant
from api.pages.page import PageNow
from api.pages.route import page_router
from api.views.batches import list_batches
from api.views.cursors import Cursor
from core.links import WORKBENCH

AT_ONCE = 20

router = page_router(prefix=WORKBENCH)


@router.get("/")
def get_home(page: PageNow, tenant: Tenant, session: SessionNow, cursor: Cursor = None) -> Response:
    """Show what was sent, and how far it is."""
    batches = list_batches(session, tenant, cursor=cursor, limit=AT_ONCE)
    return page.show("home.html", batches=batches, cursor=cursor)
