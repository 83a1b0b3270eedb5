"""The log of deliveries: read, replayed, pruned."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.db.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from core.domain.states import DeliveryState
from core.errors import NotFoundError
from core.webhooks.deliveries import insert
from core.webhooks.listeners import Listener

AT_ONCE = 5000
"""Events that one transaction deletes."""

Entry = tuple[WebhookDelivery, WebhookEvent]


def find(session: Session, tenant: str, delivery_id: UUID) -> Entry:
    """Find one delivery with its event.

    Raises:
        NotFoundError: The tenant has no such delivery.
    """
    statement = (
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, col(WebhookEvent.id) == col(WebhookDelivery.event_id))
        .where(col(WebhookDelivery.id) == delivery_id, col(WebhookDelivery.tenant) == tenant)
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        raise NotFoundError(
            f"There is no webhook delivery {delivery_id} here, or it belongs to another key."
        )
    return found[0], found[1]


def list_them(
    session: Session,
    tenant: str,
    endpoint_id: UUID | None,
    *,
    state: DeliveryState | None = None,
    before: UUID | None = None,
    limit: int,
) -> Sequence[Entry]:
    """Return deliveries, newest first: of an endpoint, or without one of the tenant's callbacks."""
    statement = (
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, col(WebhookEvent.id) == col(WebhookDelivery.event_id))
        .where(
            col(WebhookDelivery.tenant) == tenant,
            # With None it is IS NULL.
            col(WebhookDelivery.endpoint_id) == endpoint_id,
        )
    )
    if state is not None:
        statement = statement.where(col(WebhookDelivery.state) == state)
    if before is not None:
        statement = statement.where(col(WebhookDelivery.id) < before)
    rows = session.execute(statement.order_by(col(WebhookDelivery.id).desc()).limit(limit))
    return [(delivery, event) for delivery, event in rows]


def replay(session: Session, delivery: WebhookDelivery) -> UUID:
    """Queue an event once more for the address that it went to; return the new delivery's id."""
    again = Listener(queue=delivery.queue, endpoint_id=delivery.endpoint_id, url=delivery.url)
    (identity,) = insert(session, [(delivery.tenant, delivery.event_id, again)])
    return identity


def replay_since(
    session: Session, endpoint: WebhookEndpoint, since: datetime, *, failed_only: bool
) -> int:
    """Queue an endpoint's events since a moment once more; those on their way are left out.

    Args:
        session: An open transaction.
        endpoint: Switched on.
        since: Of the events.
        failed_only: Whether to leave out what was delivered.

    Returns:
        How many they are.
    """
    other = aliased(WebhookDelivery)
    unwanted = [DeliveryState.PENDING, *([DeliveryState.DELIVERED] if failed_only else [])]
    elsewhere = select(col(other.id)).where(
        col(other.event_id) == col(WebhookEvent.id),
        col(other.endpoint_id) == endpoint.id,
        col(other.state).in_(unwanted),
    )
    statement = (
        select(col(WebhookEvent.id))
        .join(WebhookDelivery, col(WebhookDelivery.event_id) == col(WebhookEvent.id))
        .where(
            col(WebhookDelivery.tenant) == endpoint.tenant,
            col(WebhookDelivery.endpoint_id) == endpoint.id,
            col(WebhookEvent.created_at) >= since,
            ~elsewhere.exists(),
        )
        .distinct()
        .order_by(col(WebhookEvent.id))
    )
    to = Listener(queue=endpoint.id, endpoint_id=endpoint.id)
    events = session.execute(statement).scalars()
    return len(insert(session, [(endpoint.tenant, one, to) for one in events]))


def prune(session: Session, *, seconds: float) -> int:
    """Delete events that are older than so many seconds, with their deliveries.

    What is still on its way stays. Deleted endpoints go when nothing of them is left.

    Returns:
        How many events were deleted, at most `AT_ONCE`.
    """
    old = func.now() - timedelta(seconds=seconds)
    waiting = select(col(WebhookDelivery.id)).where(
        col(WebhookDelivery.event_id) == col(WebhookEvent.id),
        col(WebhookDelivery.state) == DeliveryState.PENDING,
    )
    ids = (
        select(col(WebhookEvent.id))
        .where(col(WebhookEvent.created_at) < old, ~waiting.exists())
        .order_by(col(WebhookEvent.created_at))
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    gone = session.execute(delete(WebhookEvent).where(col(WebhookEvent.id).in_(ids)))
    deliveries = select(col(WebhookDelivery.id)).where(
        col(WebhookDelivery.tenant) == col(WebhookEndpoint.tenant),
        col(WebhookDelivery.endpoint_id) == col(WebhookEndpoint.id),
    )
    session.execute(
        delete(WebhookEndpoint).where(col(WebhookEndpoint.deleted_at) < old, ~deliveries.exists())
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]


BACKLOG = """
with waiting as (
    select not_before, max(
        (log -> -1 ->> 'at')::timestamptz
        + make_interval(secs => (log -> -1 ->> 'pause_seconds')::float)
    ) over (partition by queue) as paused_until
    from webhook_delivery where state = 'pending'
)
select count(*), extract(epoch from now() - min(greatest(not_before, paused_until)))
from waiting
"""
"""A pause is known from the delivery that met it: it waits as long, so it goes after the others."""


def backlog(session: Session) -> tuple[int, float]:
    """Return how many deliveries are pending, and for how many seconds the most overdue one is.

    What a receiver asked to wait is not overdue before that pause is over.
    """
    number, seconds = session.execute(text(BACKLOG)).one()
    return int(number), max(0.0, float(seconds or 0.0))
