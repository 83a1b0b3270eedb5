"""Deliveries: queued with their events, and claimed with everything that sending them needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    String,
    Uuid,
    and_,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy import (
    insert as insert_into,
)
from sqlmodel import Session, col

from core.db.arrays import among, values_table
from core.db.clock import transaction_time
from core.db.locks import lock_deliveries
from core.db.models import CallbackSecret, WebhookDelivery, WebhookEndpoint, WebhookEvent
from core.db.models.columns import new_id
from core.db.models.transitions import change
from core.domain.states import DeliveryState
from core.webhooks.listeners import Listener
from core.webhooks.secrets import active_secrets

NIL = UUID(int=0)
"""Less than every queue (RFC 9562, section 5.9)."""


def insert(session: Session, wanted: Sequence[tuple[str, UUID, Listener]]) -> list[UUID]:
    """Queue deliveries: of which tenant, which event, to whom; return their ids."""
    if not wanted:
        return []
    ids = [new_id() for _ in wanted]
    columns = WebhookDelivery.__table__.c  # type: ignore[attr-defined]
    given = values_table(
        id=(Uuid(), ids),
        tenant=(String(), [tenant for tenant, _, _ in wanted]),
        event_id=(Uuid(), [event_id for _, event_id, _ in wanted]),
        endpoint_id=(Uuid(), [listener.endpoint_id for *_, listener in wanted]),
        url=(String(), [listener.url for *_, listener in wanted]),
        queue=(Uuid(), [listener.queue for *_, listener in wanted]),
    )
    rows = select(
        *given.c,
        literal(DeliveryState.PENDING, columns.state.type),
        literal(0, columns.attempts.type),
    )
    names = [*given.c.keys(), "state", "attempts"]
    session.execute(insert_into(WebhookDelivery).from_select(names, rows))
    return ids


def give_up(session: Session, *where: ColumnElement[bool]) -> None:
    """Abandon the pending deliveries that match."""
    pending = col(WebhookDelivery.state) == DeliveryState.PENDING
    ids = lock_deliveries(session, pending, *where)
    session.execute(
        change(WebhookDelivery, DeliveryState.FAILED).where(among(WebhookDelivery.id, ids))
    )


@dataclass(frozen=True, kw_only=True)
class WebhookMessage:
    """A claimed delivery, with everything that sending it needs."""

    delivery_id: UUID
    attempt: int
    """From 1; after another deliverer claimed it again, this number no longer matches."""
    tenant: str
    queue: UUID
    endpoint_id: UUID | None
    url: str
    secrets: Sequence[str]
    event_id: UUID
    type: str
    sequence: int
    batch_id: UUID | None
    job_id: UUID | None
    data: Mapping[str, Any]
    created_at: datetime


DUE = """
with recursive queues(queue) as (
    (
        select queue from webhook_delivery
        where state = 'pending' and queue > :after order by queue limit 1
    )
    union all
    select (
        select queue from webhook_delivery
        where state = 'pending' and queue > queues.queue order by queue limit 1
    ) from queues where queue is not null
)
select due.id, due.queue
from queues
left join unnest(cast(:queues as uuid[]), cast(:slots as int[])) as known(queue, slots)
    using (queue)
cross join lateral (
    select id, queue from webhook_delivery
    where state = 'pending' and queue = queues.queue and not_before <= now()
    order by not_before, id
    limit greatest(coalesce(known.slots, :each), 0)
    for update skip locked
) as due
limit :most
"""
"""Deliveries that are due, some of each queue: a loose index scan over the queues.

However long a queue's backlog is, only as much of it is read as may be sent now.
"""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What one look at the outbox gave."""

    messages: Sequence[WebhookMessage]
    after: UUID
    """Where the next look begins, so that queues take turns."""


def claim(
    session: Session,
    *,
    after: UUID = NIL,
    slots: Mapping[UUID, int] | None = None,
    each: int,
    most: int,
    lease_seconds: float,
) -> Claimed:
    """Claim deliveries that are due.

    Args:
        session: An open transaction.
        after: Only queues after this one; the next call's is in the result.
        slots: Most of these queues, where that is another number than `each`.
        each: Most of one queue.
        most: Most of all.
        lease_seconds: After this time without a recorded attempt others may claim them.
    """
    slots = slots or {}
    rows = session.execute(
        text(DUE),
        {
            "after": after,
            "each": each,
            "queues": list(slots),
            "slots": list(slots.values()),
            "most": most,
        },
    ).all()
    if rows:
        session.execute(
            update(WebhookDelivery)
            .where(among(WebhookDelivery.id, [row.id for row in rows]))
            .values(
                attempts=col(WebhookDelivery.attempts) + 1,
                not_before=func.now() + timedelta(seconds=lease_seconds),
            )
        )
    return Claimed(
        messages=_read(session, [row.id for row in rows]),
        # A look that found less than it could take has seen every queue that is left.
        after=max(row.queue for row in rows) if len(rows) == most else NIL,
    )


def _read(session: Session, delivery_ids: Sequence[UUID]) -> list[WebhookMessage]:
    """Read what claimed deliveries say, and to whom; give up those that nobody may get."""
    if not delivery_ids:
        return []
    rows = session.execute(
        select(WebhookDelivery, WebhookEvent, WebhookEndpoint, CallbackSecret)
        .join(WebhookEvent, col(WebhookEvent.id) == col(WebhookDelivery.event_id))
        .outerjoin(WebhookEndpoint, col(WebhookEndpoint.id) == col(WebhookDelivery.endpoint_id))
        .outerjoin(
            CallbackSecret,
            and_(
                col(CallbackSecret.tenant) == col(WebhookDelivery.tenant),
                col(WebhookDelivery.endpoint_id).is_(None),
            ),
        )
        .where(among(WebhookDelivery.id, delivery_ids))
        .order_by(col(WebhookDelivery.id))
        .execution_options(populate_existing=True)
    ).all()
    timestamp = transaction_time(session)
    messages, orphans = [], []
    for delivery, event, endpoint, secret in rows:
        url = endpoint.url if endpoint is not None else delivery.url
        signing = endpoint or secret
        off = endpoint is not None and (endpoint.disabled_at or endpoint.deleted_at)
        if off or url is None or signing is None:
            orphans.append(delivery.id)
            continue
        messages.append(
            WebhookMessage(
                delivery_id=delivery.id,
                attempt=delivery.attempts,
                tenant=delivery.tenant,
                queue=delivery.queue,
                endpoint_id=delivery.endpoint_id,
                url=url,
                secrets=active_secrets(signing, timestamp),
                event_id=event.id,
                **{name: getattr(event, name) for name in _OF_EVENT},
            )
        )
    if orphans:
        give_up(session, among(WebhookDelivery.id, orphans))
    return messages


_OF_EVENT = ("type", "sequence", "batch_id", "job_id", "data", "created_at")
