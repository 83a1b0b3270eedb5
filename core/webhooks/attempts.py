"""Attempts: their results, recorded for deliveries and for the health of endpoints."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Float, Integer, Interval, Uuid, and_, cast, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, col

from core.db.arrays import among, values_table
from core.db.clock import transaction_time
from core.db.locks import lock_deliveries
from core.db.models import Batch, WebhookDelivery, WebhookEndpoint
from core.db.models.transitions import change
from core.domain.states import DeliveryState
from core.webhooks.deliveries import WebhookMessage, give_up
from core.webhooks.endpoints import disable


class AttemptVerdict(Enum):
    """What an attempt means for its delivery."""

    DELIVERED = "delivered"
    """The receiver has it."""
    RETRY = "retry"
    """It is sent again."""
    GIVEN_UP = "given up"
    """It is not sent again."""
    GONE = "gone"
    """Nothing is to be sent to its endpoint, or to its callback's address, any more."""


@dataclass(frozen=True, kw_only=True)
class DeliveryAttempt:
    """One attempt that has ended."""

    message: WebhookMessage
    verdict: AttemptVerdict
    status: int | None
    """The HTTP status; None when there was no answer."""
    error: str | None
    """Why it is no success."""
    seconds: float
    """What the attempt took."""
    delay_seconds: float = 0.0
    """Until it is sent again."""
    pause_seconds: float = 0.0
    """How long its whole queue is left alone."""


def record(
    session: Session, attempts: Collection[DeliveryAttempt], *, disable_seconds: float
) -> None:
    """Record attempts; of those whose claim was lost nothing is written.

    Args:
        session: An open transaction.
        attempts: Any number.
        disable_seconds: An endpoint without a success for so long is told nothing any more.
    """
    gone_callbacks = [
        one.message
        for one in attempts
        if one.verdict is AttemptVerdict.GONE and one.message.endpoint_id is None
    ]
    endpoints = _lock_endpoints(session, attempts)
    unwanted = _waiting_callbacks(session, gone_callbacks)
    recorded = {one.message.delivery_id for one in attempts}
    lock_deliveries(session, among(WebhookDelivery.id, recorded | unwanted))
    by_verdict: dict[AttemptVerdict, list[DeliveryAttempt]] = defaultdict(list)
    for attempt in attempts:
        by_verdict[attempt.verdict].append(attempt)
    gone = by_verdict[AttemptVerdict.GIVEN_UP] + by_verdict[AttemptVerdict.GONE]
    _close(session, by_verdict[AttemptVerdict.DELIVERED], DeliveryState.DELIVERED)
    _close(session, gone, DeliveryState.FAILED)
    _postpone(session, by_verdict[AttemptVerdict.RETRY])
    give_up(session, among(WebhookDelivery.id, unwanted))
    _forget_callbacks(session, gone_callbacks)
    _note_health(session, endpoints, attempts, disable_seconds)


def _given(attempts: Sequence[DeliveryAttempt]) -> Any:
    return values_table(
        id=(Uuid(), [one.message.delivery_id for one in attempts]),
        attempt=(Integer(), [one.message.attempt for one in attempts]),
        entry=(JSONB(), [_entry(one) for one in attempts]),
        delay=(Float(), [one.delay_seconds for one in attempts]),
    )


def _entry(attempt: DeliveryAttempt) -> dict[str, Any]:
    return {
        "status": attempt.status,
        "error": attempt.error,
        "seconds": round(attempt.seconds, 3),
        "pause_seconds": attempt.pause_seconds or None,
    }


def _logged(given: Any) -> Any:
    """Add an attempt to a delivery's log, by Postgres's clock."""
    entry = func.jsonb_build_object("at", func.now(), type_=JSONB).op("||")(given.c.entry)
    return col(WebhookDelivery.log).op("||")(func.jsonb_build_array(entry, type_=JSONB))


def _fence(given: Any) -> Any:
    return and_(
        col(WebhookDelivery.id) == given.c.id, col(WebhookDelivery.attempts) == given.c.attempt
    )


def _close(session: Session, attempts: Sequence[DeliveryAttempt], state: DeliveryState) -> None:
    if attempts:
        given = _given(attempts)
        session.execute(
            change(WebhookDelivery, state).where(_fence(given)).values(log=_logged(given))
        )


def _postpone(session: Session, attempts: Sequence[DeliveryAttempt]) -> None:
    if attempts:
        given = _given(attempts)
        session.execute(
            update(WebhookDelivery)
            .where(_fence(given), col(WebhookDelivery.state) == DeliveryState.PENDING)
            .values(
                log=_logged(given),
                not_before=func.now() + given.c.delay * cast("1 second", Interval),
            )
        )


def _lock_endpoints(
    session: Session, attempts: Collection[DeliveryAttempt]
) -> Mapping[UUID, WebhookEndpoint]:
    """Lock the endpoints that were called, in the order of their ids.

    Those that work too: whoever disables or deletes one gives up its deliveries while it holds it,
    and so cannot wait for deliveries that are held here.
    """
    called = {one.message.endpoint_id for one in attempts if one.message.endpoint_id}
    statement = (
        select(WebhookEndpoint)
        .where(among(WebhookEndpoint.id, called))
        .order_by(col(WebhookEndpoint.id))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {endpoint.id: endpoint for endpoint in session.execute(statement).scalars()}


def _note_health(
    session: Session,
    endpoints: Mapping[UUID, WebhookEndpoint],
    attempts: Collection[DeliveryAttempt],
    disable_seconds: float,
) -> None:
    timestamp = transaction_time(session)
    for endpoint in endpoints.values():
        verdicts = _verdicts_on(endpoint, attempts)
        if not verdicts or endpoint.disabled_at is not None or endpoint.deleted_at is not None:
            continue
        if AttemptVerdict.GONE in verdicts:
            disable(session, endpoint, "It answered 410 Gone.")
        elif AttemptVerdict.DELIVERED in verdicts:
            endpoint.failing_since = None
        elif endpoint.failing_since is None:
            endpoint.failing_since = timestamp
        elif (timestamp - endpoint.failing_since).total_seconds() >= disable_seconds:
            since = f"{endpoint.failing_since:%Y-%m-%d %H:%M}"
            disable(session, endpoint, f"No delivery has succeeded since {since} UTC.")
    session.flush()


def _verdicts_on(
    endpoint: WebhookEndpoint, attempts: Collection[DeliveryAttempt]
) -> set[AttemptVerdict]:
    """Return the verdicts on an endpoint's address, without those on one that it had before."""
    return {
        one.verdict
        for one in attempts
        if one.message.endpoint_id == endpoint.id and one.message.url == endpoint.url
    }


def _waiting_callbacks(session: Session, messages: Collection[WebhookMessage]) -> set[UUID]:
    """Find the deliveries that wait for the same addresses of the same tenants."""
    if not messages:
        return set()
    statement = select(col(WebhookDelivery.id)).where(
        col(WebhookDelivery.state) == DeliveryState.PENDING,
        col(WebhookDelivery.endpoint_id).is_(None),
        # A queue is one tenant's alone.
        tuple_(col(WebhookDelivery.queue), col(WebhookDelivery.url)).in_(
            {(message.queue, message.url) for message in messages}
        ),
    )
    return set(session.execute(statement).scalars())


def _forget_callbacks(session: Session, messages: Collection[WebhookMessage]) -> None:
    """Remove the callback from the batches of these messages.

    A job needs none of that: its callback hears of its end alone.
    """
    batches = {message.batch_id for message in messages if message.batch_id}
    if not batches:
        return
    locked = session.execute(
        select(col(Batch.id))
        .where(among(Batch.id, batches))
        .order_by(col(Batch.id))
        .with_for_update(key_share=True)
    ).scalars()
    session.execute(update(Batch).where(among(Batch.id, set(locked))).values(callback_url=None))
