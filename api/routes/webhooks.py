"""Webhook endpoints, callbacks, and what became of what they were told."""

from uuid import UUID

from fastapi import Depends, Response

from api.dependencies import Admin, ServicesNow, SessionNow, ShownOnce, Tenant, get_caller
from api.description import LOCATION
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.webhooks import (
    CallbackSecretView,
    DeliveryPage,
    DeliveryView,
    EndpointChange,
    EndpointList,
    EndpointRequest,
    EndpointView,
    EndpointWithSecret,
    ReplayRequest,
    ReplayResult,
)
from api.views.cursors import Cursor, Limit, read_cursor, write_cursor
from api.views.webhooks import view_delivery, view_endpoint, view_secret
from core.domain.states import DeliveryState
from core.webhooks import endpoints, log
from core.webhooks.event_types import EventType

router = Router(
    route_class=TransactionRoute,
    prefix="/v1",
    tags=["Webhooks"],
    dependencies=[Depends(get_caller)],
)


@router.post(
    "/webhook-endpoints",
    operation_id="create_webhook_endpoint",
    status_code=201,
    responses={201: LOCATION, **problems(409)},
    dependencies=[ShownOnce],
)
def post_endpoint(
    request: EndpointRequest,
    caller: Admin,
    services: ServicesNow,
    session: SessionNow,
    response: Response,
) -> EndpointWithSecret:
    """Register an address that is told what happens; its secret is shown this once."""
    shown = endpoints.create(
        session,
        caller.tenant,
        url=services.egress.judge(request.url).url,
        description=request.description,
        events=None if request.events is None else [EventType(one) for one in request.events],
    )
    response.headers["Location"] = f"/v1/webhook-endpoints/{shown.endpoint.id}"
    return view_secret(shown)


@router.get("/webhook-endpoints", operation_id="list_webhook_endpoints")
def get_endpoints(tenant: Tenant, session: SessionNow) -> EndpointList:
    """List the endpoints, oldest first."""
    return EndpointList(items=[view_endpoint(one) for one in endpoints.list_them(session, tenant)])


@router.get(
    "/webhook-endpoints/{endpoint_id}", operation_id="get_webhook_endpoint", responses=problems(404)
)
def get_endpoint(endpoint_id: UUID, tenant: Tenant, session: SessionNow) -> EndpointView:
    """Show an endpoint's settings, and whether its deliveries succeed."""
    return view_endpoint(endpoints.find(session, tenant, endpoint_id))


@router.patch(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="update_webhook_endpoint",
    responses=problems(404),
)
def patch_endpoint(
    endpoint_id: UUID,
    change: EndpointChange,
    caller: Admin,
    services: ServicesNow,
    session: SessionNow,
) -> EndpointView:
    """Change an endpoint's address, description or filter; switch it off or on again."""
    values = change.values()
    if "url" in values:
        values["url"] = services.egress.judge(values["url"]).url
    endpoint = endpoints.find(session, caller.tenant, endpoint_id, lock=True)
    endpoints.update(session, endpoint, **values)
    return view_endpoint(endpoint)


@router.delete(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="delete_webhook_endpoint",
    status_code=204,
    responses=problems(404),
)
def delete_endpoint(endpoint_id: UUID, caller: Admin, session: SessionNow) -> None:
    """Delete an endpoint; what was on its way to it is given up."""
    endpoints.delete(session, endpoints.find(session, caller.tenant, endpoint_id, lock=True))


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    responses=problems(404),
    dependencies=[ShownOnce],
)
def post_rotation(
    endpoint_id: UUID, caller: Admin, services: ServicesNow, session: SessionNow
) -> EndpointWithSecret:
    """Replace the secret; for a day the one before signs too, so that no message is lost."""
    endpoint = endpoints.find(session, caller.tenant, endpoint_id, lock=True)
    overlap = services.settings.webhook_overlap_seconds
    return view_secret(endpoints.rotate_secret(session, endpoint, overlap_seconds=overlap))


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    operation_id="send_test_webhook",
    status_code=202,
    responses=problems(404, 409),
)
def post_test(endpoint_id: UUID, caller: Admin, session: SessionNow) -> DeliveryView:
    """Send an `endpoint.test` event; read the delivery to see what became of it."""
    endpoint = endpoints.find(session, caller.tenant, endpoint_id, lock=True)
    delivery_id = endpoints.send_test(session, endpoint)
    return view_delivery(*log.find(session, caller.tenant, delivery_id))


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    operation_id="list_webhook_deliveries",
    responses=problems(404),
)
def get_deliveries(
    endpoint_id: UUID,
    tenant: Tenant,
    session: SessionNow,
    state: DeliveryState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> DeliveryPage:
    """List what an endpoint was told, newest first, with every attempt."""
    endpoints.find(session, tenant, endpoint_id)
    return _page(session, tenant, endpoint_id, state, cursor, limit)


@router.post(
    "/webhook-endpoints/{endpoint_id}/replay",
    operation_id="replay_webhook_deliveries",
    status_code=202,
    responses=problems(404, 409),
)
def post_replay(
    endpoint_id: UUID, request: ReplayRequest, caller: Admin, session: SessionNow
) -> ReplayResult:
    """Send an endpoint's events since a moment once more, under their old ids."""
    endpoint = endpoints.find(session, caller.tenant, endpoint_id, lock=True)
    endpoints.require_enabled(endpoint)
    number = log.replay_since(session, endpoint, request.since, failed_only=request.failed_only)
    return ReplayResult(deliveries=number)


@router.get(
    "/webhook-deliveries/{delivery_id}",
    operation_id="get_webhook_delivery",
    responses=problems(404),
)
def get_delivery(delivery_id: UUID, tenant: Tenant, session: SessionNow) -> DeliveryView:
    """Show one delivery, with every attempt."""
    return view_delivery(*log.find(session, tenant, delivery_id))


@router.post(
    "/webhook-deliveries/{delivery_id}/replay",
    operation_id="replay_webhook_delivery",
    status_code=202,
    responses=problems(404, 409),
)
def post_delivery_replay(delivery_id: UUID, caller: Admin, session: SessionNow) -> DeliveryView:
    """Send one event once more to the same address, under its old id."""
    delivery, _ = log.find(session, caller.tenant, delivery_id)
    if delivery.endpoint_id is not None:
        endpoint = endpoints.find(session, caller.tenant, delivery.endpoint_id, lock=True)
        endpoints.require_enabled(endpoint)
    return view_delivery(*log.find(session, caller.tenant, log.replay(session, delivery)))


@router.post("/callbacks/secret", operation_id="create_callback_secret", dependencies=[ShownOnce])
def post_callback_secret(
    caller: Admin, services: ServicesNow, session: SessionNow
) -> CallbackSecretView:
    """Make what your `callback_url`s are signed with, or replace it; shown this once."""
    overlap = services.settings.webhook_overlap_seconds
    return CallbackSecretView(
        secret=endpoints.renew_callback_secret(session, caller.tenant, overlap_seconds=overlap)
    )


@router.get("/callbacks/deliveries", operation_id="list_callback_deliveries")
def get_callback_deliveries(
    tenant: Tenant,
    session: SessionNow,
    state: DeliveryState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> DeliveryPage:
    """List what your callbacks were told, newest first."""
    return _page(session, tenant, None, state, cursor, limit)


def _page(
    session: SessionNow,
    tenant: str,
    endpoint_id: UUID | None,
    state: DeliveryState | None,
    cursor: str | None,
    limit: int,
) -> DeliveryPage:
    rows = log.list_them(
        session,
        tenant,
        endpoint_id,
        state=state,
        before=read_cursor(cursor, UUID),
        limit=limit + 1,
    )
    page = rows[:limit]
    return DeliveryPage(
        items=[view_delivery(*row) for row in page],
        next=write_cursor(page[-1][0].id) if len(rows) > limit else None,
    )
