"""Webhooks: who is told, what became of telling them, and telling them again."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Form, Query
from fastapi.responses import Response
from pydantic import ValidationError
from sqlmodel import Session

from api.dependencies import Admin, ServicesNow, SessionNow, Tenant
from api.pages.page import Page, PageNow
from api.pages.route import page_router
from api.problems import describe
from api.routes import webhooks as routes
from api.schemas.webhooks import EndpointChange, EndpointRequest, ReplayRequest
from api.views.cursors import Cursor
from core.domain.states import DeliveryState
from core.errors import InvalidRequestError
from core.links import WORKBENCH

AT_ONCE = 50
AT = f"{WORKBENCH}/webhooks"

router = page_router(prefix=AT)

States = Annotated[DeliveryState | None, Query()]


@router.get("")
def get_endpoints(page: PageNow, tenant: Tenant, session: SessionNow) -> Response:
    """List the endpoints."""
    return _show_list(page, tenant, session)


def _show_list(
    page: Page, tenant: str, session: Session, *, url: str = "", note: str = "", error: str = ""
) -> Response:
    return page.show(
        "webhooks.html",
        status=422 if error else 200,
        endpoints=routes.get_endpoints(tenant, session).items,
        url=url,
        note=note,
        error=error,
    )


@router.post("")
def post_endpoint(
    page: PageNow,
    caller: Admin,
    services: ServicesNow,
    session: SessionNow,
    url: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
) -> Response:
    """Register an address, and show its secret this once."""
    try:
        request = EndpointRequest(url=url.strip(), description=description)
        made = routes.post_endpoint(request, caller, services, session, Response())
    except ValidationError as error:
        said = " ".join(str(describe(one)["message"]) for one in error.errors())
        return _show_list(page, caller.tenant, session, url=url, note=description, error=said)
    except InvalidRequestError as error:
        session.rollback()
        return _show_list(
            page, caller.tenant, session, url=url, note=description, error=error.detail
        )
    return page.show("webhook_secret.html", endpoint=made)


@router.get("/callbacks")
def get_callbacks(
    page: PageNow, tenant: Tenant, session: SessionNow, state: States = None, cursor: Cursor = None
) -> Response:
    """List what callbacks of batches and jobs were told."""
    found = routes.get_callback_deliveries(tenant, session, state, cursor, AT_ONCE)
    return page.show("webhook.html", endpoint=None, deliveries=found, state=state)


@router.get("/{endpoint_id}")
def get_endpoint(
    endpoint_id: UUID,
    page: PageNow,
    tenant: Tenant,
    session: SessionNow,
    state: States = None,
    cursor: Cursor = None,
) -> Response:
    """Show an endpoint and its deliveries."""
    found = routes.get_deliveries(endpoint_id, tenant, session, state, cursor, AT_ONCE)
    endpoint = routes.get_endpoint(endpoint_id, tenant, session)
    return page.show("webhook.html", endpoint=endpoint, deliveries=found, state=state)


@router.post("/{endpoint_id}/test")
def post_test(endpoint_id: UUID, page: PageNow, caller: Admin, session: SessionNow) -> Response:
    """Send a test event."""
    routes.post_test(endpoint_id, caller, session)
    return page.go(f"{AT}/{endpoint_id}", "A test event is on its way.")


@router.post("/{endpoint_id}/switch")
def post_switch(
    endpoint_id: UUID,
    page: PageNow,
    caller: Admin,
    services: ServicesNow,
    session: SessionNow,
    disabled: Annotated[bool, Form()] = False,
) -> Response:
    """Switch an endpoint off, or on again."""
    change = EndpointChange(disabled=disabled)
    routes.patch_endpoint(endpoint_id, change, caller, services, session)
    said = "It is told nothing from now on." if disabled else "It is told what happens again."
    return page.go(f"{AT}/{endpoint_id}", said)


@router.post("/{endpoint_id}/secret")
def post_secret(
    endpoint_id: UUID, page: PageNow, caller: Admin, services: ServicesNow, session: SessionNow
) -> Response:
    """Replace an endpoint's secret, and show the new one this once."""
    made = routes.post_rotation(endpoint_id, caller, services, session)
    return page.show("webhook_secret.html", endpoint=made)


@router.post("/{endpoint_id}/delete")
def post_delete(endpoint_id: UUID, page: PageNow, caller: Admin, session: SessionNow) -> Response:
    """Delete an endpoint."""
    routes.delete_endpoint(endpoint_id, caller, session)
    return page.go(AT, "The endpoint is deleted.")


@router.post("/{endpoint_id}/replay")
def post_replay(
    endpoint_id: UUID,
    page: PageNow,
    caller: Admin,
    session: SessionNow,
    hours: Annotated[int, Form(ge=1, le=24 * 30)] = 24,
    failed_only: Annotated[bool, Form()] = False,
) -> Response:
    """Send an endpoint's events of the last hours once more."""
    since = datetime.now(UTC) - timedelta(hours=hours)
    request = ReplayRequest(since=since, failed_only=failed_only)
    number = routes.post_replay(endpoint_id, request, caller, session).deliveries
    return page.go(f"{AT}/{endpoint_id}", f"{number} events are sent once more.")


@router.post("/deliveries/{delivery_id}/replay")
def post_delivery_replay(
    delivery_id: UUID, page: PageNow, caller: Admin, session: SessionNow
) -> Response:
    """Send one event once more to the same address."""
    again = routes.post_delivery_replay(delivery_id, caller, session)
    return page.go(f"{AT}/{again.endpoint_id or 'callbacks'}", "The event is sent once more.")
