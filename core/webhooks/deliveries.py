"""Deliveries: claimed by a deliverer, with everything that sending them needs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, text, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import CallbackSecret, WebhookDelivery, WebhookEndpoint, WebhookEvent
from core.webhooks.endpoints import give_up, now
from core.webhooks.secrets import active_secrets

FIRST = UUID(int=0)
"""Less than every queue."""


@dataclass(frozen=True, kw_only=True)
class Message:
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
with recursive found as (
    (
        select queue, tenant from webhook_delivery
        where state = 'pending' and queue > :after order by queue limit 1
    )
    union all
    select next.queue, next.tenant
    from found, lateral (
        select queue, tenant from webhook_delivery
        where state = 'pending' and queue > found.queue order by queue limit 1
    ) next
)
select due.id, free.queue
from (
    select found.queue, coalesce(known.places, :each) as places
    from found left join unnest(cast(:queues as uuid[]), cast(:numbers as int[]))
        as known(queue, places) on known.queue = found.queue
    where found.tenant <> all(cast(:full as text[]))
) as free
cross join lateral (
    select id from webhook_delivery
    where state = 'pending' and queue = free.queue and not_before <= now()
    order by not_before, id
    limit greatest(free.places, 0)
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

    messages: Sequence[Message]
    after: UUID
    """Where the next look begins, so that queues take turns."""


def claim(
    session: Session,
    *,
    after: UUID = FIRST,
    places: Mapping[UUID, int] | None = None,
    full: Collection[str] = (),
    each: int,
    most: int,
    lease_seconds: float,
) -> Claimed:
    """Take deliveries that are due.

    Args:
        session: An open transaction.
        after: Only queues after this one; the next call's is in the answer.
        places: Most of these queues, where that is another number than `each`.
        full: Tenants none of whose deliveries are taken.
        each: Most of one queue.
        most: Most of all.
        lease_seconds: After this time without `record` others may take them.
    """
    places = places or {}
    rows = session.execute(
        text(DUE),
        {
            "after": after,
            "each": each,
            "queues": list(places),
            "numbers": list(places.values()),
            "full": list(full),
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
        after=max(row.queue for row in rows) if len(rows) == most else FIRST,
    )


def _read(session: Session, delivery_ids: Sequence[UUID]) -> list[Message]:
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
    moment = now(session)
    messages, orphans = [], []
    for delivery, event, endpoint, secret in rows:
        url = endpoint.url if endpoint is not None else delivery.url
        signing = endpoint or secret
        off = endpoint is not None and (endpoint.disabled_at or endpoint.deleted_at)
        if off or url is None or signing is None:
            orphans.append(delivery.id)
            continue
        messages.append(
            Message(
                delivery_id=delivery.id,
                attempt=delivery.attempts,
                tenant=delivery.tenant,
                queue=delivery.queue,
                endpoint_id=delivery.endpoint_id,
                url=url,
                secrets=active_secrets(signing, moment),
                event_id=event.id,
                **{name: getattr(event, name) for name in _OF_EVENT},
            )
        )
    if orphans:
        give_up(session, among(WebhookDelivery.id, orphans))
    return messages


_OF_EVENT = ("type", "sequence", "batch_id", "job_id", "data", "created_at")
