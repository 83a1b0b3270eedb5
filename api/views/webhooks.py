"""Rows of webhooks to JSON."""

from api.schemas.webhooks import AttemptView, DeliveryView, EndpointView, EndpointWithSecret
from core.db.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from core.domain.states import DeliveryState
from core.webhooks.endpoints import EndpointSecret
from core.webhooks.event_types import EventType, event_name

_DERIVED = {"previous_secret_until"}
_SAME = tuple(name for name in EndpointView.model_fields if name not in _DERIVED)


def view_endpoint(endpoint: WebhookEndpoint) -> EndpointView:
    """Write one endpoint, without its secret."""
    return EndpointView(
        **{name: getattr(endpoint, name) for name in _SAME},
        previous_secret_until=endpoint.previous_until,
    )


def view_secret(shown: EndpointSecret) -> EndpointWithSecret:
    """Write one endpoint with its secret."""
    return EndpointWithSecret(
        **view_endpoint(shown.endpoint).model_dump(),
        secret=shown.secret,
    )


def view_delivery(delivery: WebhookDelivery, event: WebhookEvent) -> DeliveryView:
    """Write one delivery with its attempts."""
    pending = delivery.state is DeliveryState.PENDING
    return DeliveryView(
        id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        url=delivery.url,
        event_id=event_name(event.id),
        type=EventType(event.type),
        batch_id=event.batch_id,
        job_id=event.job_id,
        state=delivery.state,
        attempts=[AttemptView(**entry) for entry in delivery.log],
        next_attempt_at=delivery.not_before if pending else None,
        created_at=delivery.created_at,
        finished_at=delivery.finished_at,
    )
