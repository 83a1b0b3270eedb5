"""Endpoints: made, changed, given other secrets, disabled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col

from core.db.clock import transaction_time
from core.db.locks import take_advisory_lock
from core.db.models import CallbackSecret, WebhookDelivery, WebhookEndpoint
from core.errors import ConflictError, NotFoundError
from core.webhooks.deliveries import give_up
from core.webhooks.event_types import EventType
from core.webhooks.events import record_endpoint_event
from core.webhooks.listeners import Listener, listeners_of
from core.webhooks.secrets import make_secret, rotate

MOST = 50
"""Endpoints of one tenant: each event is written once for each of them."""


@dataclass(frozen=True, kw_only=True)
class EndpointSecret:
    """An endpoint with its secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


def create(
    session: Session,
    tenant: str,
    *,
    url: str,
    description: str = "",
    events: Sequence[EventType] | None = None,
) -> EndpointSecret:
    """Insert an endpoint; it hears of what happens from the commit on.

    Args:
        session: An open transaction.
        tenant: Whose events it hears.
        url: Judged already.
        description: For people.
        events: What it hears; None: everything.

    Raises:
        ConflictError: The tenant has as many as it may have.
    """
    # Two that come together must not both be the last one.
    take_advisory_lock(session, f"endpoints {tenant}")
    listed = list_them(session, tenant)
    if len(listed) >= MOST:
        raise ConflictError(f"There are {MOST} webhook endpoints already; delete one first.")
    endpoint = WebhookEndpoint(
        tenant=tenant,
        url=url,
        description=description,
        events=None if events is None else [event.value for event in events],
        secret=make_secret(),
    )
    session.add(endpoint)
    session.flush()
    session.refresh(endpoint)
    return EndpointSecret(endpoint=endpoint, secret=endpoint.secret)


def list_them(session: Session, tenant: str) -> Sequence[WebhookEndpoint]:
    """Return a tenant's endpoints, oldest first."""
    statement = _of(tenant).order_by(col(WebhookEndpoint.id))
    return session.execute(statement).scalars().all()


def find(
    session: Session, tenant: str, endpoint_id: UUID, *, lock: bool = False
) -> WebhookEndpoint:
    """Find one endpoint; `lock` keeps others from changing it until the transaction ends.

    Raises:
        NotFoundError: The tenant has no such endpoint.
    """
    statement = _of(tenant).where(col(WebhookEndpoint.id) == endpoint_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    found: WebhookEndpoint | None = session.execute(statement).scalar_one_or_none()
    if found is None:
        raise NotFoundError(
            f"There is no webhook endpoint {endpoint_id} here, or it belongs to another key."
        )
    return found


def _of(tenant: str) -> "Select[WebhookEndpoint]":
    return select(WebhookEndpoint).where(
        col(WebhookEndpoint.tenant) == tenant, col(WebhookEndpoint.deleted_at).is_(None)
    )


def update(session: Session, endpoint: WebhookEndpoint, **values: Any) -> None:
    """Change a locked endpoint; `disabled` switches it off or on again."""
    disabled = values.pop("disabled", None)
    if values.get("url", endpoint.url) != endpoint.url:
        # What the old address did says nothing about the new one.
        endpoint.failing_since = None
    for name, value in values.items():
        setattr(endpoint, name, value)
    session.flush()
    if disabled and endpoint.disabled_at is None:
        disable(session, endpoint, "Switched off by its owner.", notify=False)
    elif disabled is False:
        endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = None
        session.flush()


def delete(session: Session, endpoint: WebhookEndpoint) -> None:
    """Delete a locked endpoint; what was on its way is given up."""
    endpoint.deleted_at = transaction_time(session)
    session.flush()
    give_up(session, col(WebhookDelivery.queue) == endpoint.id)


def rotate_secret(
    session: Session, endpoint: WebhookEndpoint, *, overlap_seconds: float
) -> EndpointSecret:
    """Replace the secret of a locked endpoint; the present one signs too for a while."""
    secret = rotate(endpoint, now=transaction_time(session), overlap_seconds=overlap_seconds)
    session.flush()
    return EndpointSecret(endpoint=endpoint, secret=secret)


def renew_callback_secret(session: Session, tenant: str, *, overlap_seconds: float) -> str:
    """Make the secret of a tenant's callbacks, or replace it.

    Returns:
        The secret, which is shown this once.
    """
    first = make_secret()
    made = upsert(CallbackSecret).values(tenant=tenant, secret=first)
    session.execute(made.on_conflict_do_nothing())
    locked = select(CallbackSecret).where(col(CallbackSecret.tenant) == tenant).with_for_update()
    holder: CallbackSecret = session.execute(locked).scalar_one()
    if holder.secret == first:
        return first
    secret = rotate(holder, now=transaction_time(session), overlap_seconds=overlap_seconds)
    session.flush()
    return secret


def require_callback_secret(session: Session, tenant: str) -> None:
    """Check that callbacks of a tenant can be signed.

    Raises:
        ConflictError: They cannot.
    """
    statement = select(col(CallbackSecret.tenant)).where(col(CallbackSecret.tenant) == tenant)
    if session.execute(statement).first() is None:
        raise ConflictError(
            "A `callback_url` needs a secret that its messages are signed with. Make it once: "
            "`POST /v1/callbacks/secret`."
        )


def send_test(session: Session, endpoint: WebhookEndpoint) -> UUID:
    """Queue a test event for one endpoint; return the delivery's id.

    Raises:
        ConflictError: The endpoint is switched off.
    """
    require_enabled(endpoint)
    to = Listener(queue=endpoint.id, endpoint_id=endpoint.id)
    data = {"endpoint_id": str(endpoint.id)}
    return record_endpoint_event(session, endpoint.tenant, EventType.ENDPOINT_TEST, data, [to])[0]


def require_enabled(endpoint: WebhookEndpoint) -> None:
    """Check that an endpoint is sent events.

    Raises:
        ConflictError: It is switched off.
    """
    if endpoint.disabled_at is not None:
        raise ConflictError(
            f"The endpoint is disabled ({endpoint.disabled_reason}) Enable it first: "
            '`PATCH` it with `{"disabled": false}`.'
        )


def disable(
    session: Session, endpoint: WebhookEndpoint, reason: str, *, notify: bool = True
) -> None:
    """Disable a locked endpoint; the tenant's other endpoints get an event about it."""
    endpoint.disabled_at, endpoint.disabled_reason = transaction_time(session), reason
    session.flush()
    give_up(session, col(WebhookDelivery.queue) == endpoint.id)
    if not notify:
        return
    others = listeners_of(session, [endpoint.tenant], but=endpoint.id).get(endpoint.tenant, ())
    data = {
        "endpoint_id": str(endpoint.id),
        "url": endpoint.url,
        "reason": reason,
        "disabled_at": endpoint.disabled_at.isoformat(),
    }
    event = EventType.ENDPOINT_DISABLED
    record_endpoint_event(
        session, endpoint.tenant, event, data, [one for one in others if one.wants(event)]
    )
