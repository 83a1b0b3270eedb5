"""Deliveries: claimed by a deliverer, recorded, given up."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Float, Integer, Interval, Uuid, and_, cast, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, col

from core.lifecycle.locks import among, array_of
from core.models import CallbackSecret, WebhookDelivery, WebhookEndpoint, WebhookEvent
from core.states import DeliveryState, change
from core.webhooks.endpoints import disable, give_up, now
from core.webhooks.secrets import active_secrets

FIRST = UUID(int=0)
"""Less than every queue."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A claimed delivery, with everything that sending it needs."""

    delivery_id: UUID
    attempt: int
    """From 1; after another deliverer claimed it again, this number no longer matches."""
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


class Verdict(Enum):
    """What an attempt means for its delivery."""

    DELIVERED = "delivered"
    """The receiver has it."""
    RETRY = "retry"
    """It is sent again."""
    GIVEN_UP = "given up"
    """It is not sent again."""
    GONE = "gone"
    """Nothing is to be sent to its endpoint any more."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One attempt, over."""

    message: Message
    verdict: Verdict
    status: int | None
    """The HTTP status; None when there was no answer."""
    error: str | None
    """Why it is no success."""
    seconds: float
    """What the attempt took."""
    delay_seconds: float = 0.0
    """Until it is sent again."""


DUE = """
with recursive found as (
    (
        select queue from webhook_delivery
        where state = 'pending' and queue > :after order by queue limit 1
    )
    union all
    select (
        select next.queue from webhook_delivery next
        where next.state = 'pending' and next.queue > found.queue order by next.queue limit 1
    )
    from found where found.queue is not null
)
select due.id, free.queue
from (
    select found.queue, :each - coalesce(busy.number, 0) as places
    from found left join unnest(cast(:queues as uuid[]), cast(:numbers as int[]))
        as busy(queue, number) on busy.queue = found.queue
    where found.queue is not null
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
    busy: Mapping[UUID, int] | None = None,
    each: int,
    most: int,
    lease_seconds: float,
) -> Claimed:
    """Take deliveries that are due.

    Args:
        session: An open transaction.
        after: Only queues after this one; the next call's is in the answer.
        busy: How many deliveries of which queues the caller is sending already.
        each: Most of one queue, with those.
        most: Most of all.
        lease_seconds: After this time without `record` others may take them.
    """
    busy = busy or {}
    rows = session.execute(
        text(DUE),
        {
            "after": after,
            "each": each,
            "queues": list(busy),
            "numbers": list(busy.values()),
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


def record(session: Session, outcomes: Collection[Outcome], *, disable_seconds: float) -> None:
    """Write what became of attempts; of those whose claim was lost nothing is written.

    Args:
        session: An open transaction.
        outcomes: Any number.
        disable_seconds: An endpoint without a success for so long is told nothing any more.
    """
    endpoints = _lock_endpoints(session, outcomes)
    by_verdict: dict[Verdict, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_verdict[outcome.verdict].append(outcome)
    gone = by_verdict[Verdict.GIVEN_UP] + by_verdict[Verdict.GONE]
    _close(session, by_verdict[Verdict.DELIVERED], DeliveryState.DELIVERED)
    _close(session, gone, DeliveryState.FAILED)
    _postpone(session, by_verdict[Verdict.RETRY])
    _note_health(session, endpoints, outcomes, disable_seconds)


def _given(outcomes: Sequence[Outcome]) -> Any:
    return (
        func.unnest(
            array_of(Uuid(), [one.message.delivery_id for one in outcomes]),
            array_of(Integer(), [one.message.attempt for one in outcomes]),
            array_of(JSONB(), [_entry(one) for one in outcomes]),
            array_of(Float(), [one.delay_seconds for one in outcomes]),
        )
        .table_valued("id", "attempt", "entry", "delay")
        .render_derived(name="given")
    )


def _entry(outcome: Outcome) -> dict[str, Any]:
    return {
        "status": outcome.status,
        "error": outcome.error,
        "seconds": round(outcome.seconds, 3),
    }


def _logged(given: Any) -> Any:
    """Add an attempt to a delivery's log, by Postgres's clock."""
    entry = func.jsonb_build_object("at", func.now(), type_=JSONB).op("||")(given.c.entry)
    return col(WebhookDelivery.log).op("||")(func.jsonb_build_array(entry, type_=JSONB))


def _fence(given: Any) -> Any:
    return and_(
        col(WebhookDelivery.id) == given.c.id, col(WebhookDelivery.attempts) == given.c.attempt
    )


def _close(session: Session, outcomes: Sequence[Outcome], state: DeliveryState) -> None:
    if outcomes:
        given = _given(outcomes)
        session.execute(
            change(WebhookDelivery, state).where(_fence(given)).values(log=_logged(given))
        )


def _postpone(session: Session, outcomes: Sequence[Outcome]) -> None:
    if outcomes:
        given = _given(outcomes)
        session.execute(
            update(WebhookDelivery)
            .where(_fence(given), col(WebhookDelivery.state) == DeliveryState.PENDING)
            .values(
                log=_logged(given),
                not_before=func.now() + given.c.delay * cast("1 second", Interval),
            )
        )


def _lock_endpoints(
    session: Session, outcomes: Collection[Outcome]
) -> Mapping[UUID, WebhookEndpoint]:
    """Lock the endpoints whose health these attempts may change, in the order of their ids."""
    worked = {one.message.endpoint_id for one in outcomes if one.verdict is Verdict.DELIVERED}
    failed = {one.message.endpoint_id for one in outcomes} - worked
    statement = (
        select(WebhookEndpoint)
        .where(
            or_(
                among(WebhookEndpoint.id, [one for one in failed if one]),
                and_(
                    among(WebhookEndpoint.id, [one for one in worked if one]),
                    col(WebhookEndpoint.failing_since).is_not(None),
                ),
            )
        )
        .order_by(col(WebhookEndpoint.id))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {endpoint.id: endpoint for endpoint in session.execute(statement).scalars()}


def _note_health(
    session: Session,
    endpoints: Mapping[UUID, WebhookEndpoint],
    outcomes: Collection[Outcome],
    disable_seconds: float,
) -> None:
    verdicts: dict[UUID, set[Verdict]] = defaultdict(set)
    for outcome in outcomes:
        if outcome.message.endpoint_id is not None:
            verdicts[outcome.message.endpoint_id].add(outcome.verdict)
    moment = now(session)
    for identity, endpoint in endpoints.items():
        if endpoint.disabled_at is not None or endpoint.deleted_at is not None:
            continue
        if Verdict.GONE in verdicts[identity]:
            disable(session, endpoint, "It answered 410 Gone.")
        elif Verdict.DELIVERED in verdicts[identity]:
            endpoint.failing_since = None
        elif endpoint.failing_since is None:
            endpoint.failing_since = moment
        elif (moment - endpoint.failing_since).total_seconds() >= disable_seconds:
            since = f"{endpoint.failing_since:%Y-%m-%d %H:%M}"
            disable(session, endpoint, f"No delivery has succeeded since {since} UTC.")
    session.flush()
