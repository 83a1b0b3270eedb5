"""Listeners: endpoints and callbacks that get an event."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select
from sqlmodel import Session, col

from core.db.models import WebhookEndpoint
from core.webhooks.event_types import EventType


@dataclass(frozen=True, kw_only=True)
class Listener:
    """One address that gets events."""

    queue: UUID
    endpoint_id: UUID | None = None
    url: str | None = None
    """Of a callback."""
    events: Sequence[str] | None = None
    """Types that it wants; None: all."""

    def wants(self, event: EventType) -> bool:
        """Check whether its filter lets this type through."""
        return self.events is None or event in self.events


def callback(tenant: str, url: str) -> Listener:
    """Make the listener of a request's own URL.

    All callbacks of a tenant to one host share a queue: each job may have a URL of its own.
    """
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return Listener(queue=uuid5(NAMESPACE_URL, f"{tenant} {origin}"), url=url)


def listeners_of(
    session: Session, tenants: Collection[str], *, but: UUID | None = None
) -> Mapping[str, Sequence[Listener]]:
    """Return the enabled endpoints as listeners, by tenant; `but` leaves one out."""
    statement = select(
        col(WebhookEndpoint.tenant), col(WebhookEndpoint.id), col(WebhookEndpoint.events)
    ).where(
        col(WebhookEndpoint.tenant).in_(tenants),
        col(WebhookEndpoint.deleted_at).is_(None),
        col(WebhookEndpoint.disabled_at).is_(None),
    )
    found: dict[str, list[Listener]] = defaultdict(list)
    for tenant, identity, events in session.execute(statement):
        if identity != but:
            found[tenant].append(Listener(queue=identity, endpoint_id=identity, events=events))
    return found
