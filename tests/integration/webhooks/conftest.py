"""A tenant that listens, and a deliverer that runs inside the test."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select
from standardwebhooks import Webhook

from core.db.engine import Database
from core.db.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from core.egress.client import EgressClient
from core.egress.policy import EgressPolicy
from core.egress.resolver import SystemResolver
from core.settings import Settings
from core.webhooks import endpoints
from core.webhooks.endpoints import EndpointSecret
from core.webhooks.event_types import EventType
from ops.webhooks.deliverer import Deliverer, DeliverySettings
from tests.receiver import Receiver, receiving


class Listening:
    """The webhooks of tenants on one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def register(self, url: str, *events: EventType, tenant: str = "shop") -> EndpointSecret:
        with self.database.session() as session:
            return endpoints.create(session, tenant, url=url, events=list(events) or None)

    def events(self) -> Sequence[WebhookEvent]:
        """All events, in the order of their ids."""
        with self.database.session() as session:
            return session.exec(select(WebhookEvent).order_by(WebhookEvent.id)).all()

    def told(self, **where: Any) -> list[str]:
        """The types of the events, in the order of their sequence numbers."""
        found = [e for e in self.events() if all(getattr(e, n) == v for n, v in where.items())]
        return [one.type for one in sorted(found, key=lambda one: one.sequence)]

    def deliveries(self) -> Sequence[WebhookDelivery]:
        with self.database.session() as session:
            return session.exec(select(WebhookDelivery).order_by(WebhookDelivery.id)).all()

    def endpoint(self, identity: UUID) -> WebhookEndpoint:
        with self.database.session() as session:
            return session.get_one(WebhookEndpoint, identity)

    def hasten(self) -> None:
        """Let every wait be over."""
        with self.database.session() as session:
            for delivery in session.exec(select(WebhookDelivery)).all():
                delivery.not_before = delivery.created_at


@pytest.fixture
def listening(database: Database) -> Listening:
    return Listening(database)


@pytest.fixture
def receive() -> Iterator[Callable[[], Receiver]]:
    """Start a receiver."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(receiving())


def delivery_settings(**values: Any) -> DeliverySettings:
    return DeliverySettings(
        **{
            "timeout_seconds": 10.0,
            "at_once": 64,
            "each": 4,
            "poll_seconds": 0.02,
            "disable_seconds": 5 * 24 * 3600.0,
        }
        | values
    )


def with_deliverer(database: Database, work: Callable[[Deliverer], Any], **values: Any) -> Any:
    """Run something with a deliverer that may call this machine."""
    allow = values.pop("allow", "127.0.0.1")

    async def run() -> Any:
        policy = EgressPolicy.of(
            Settings(_env_file=None, outbound_allow=allow, outbound_ports="1-65535")
        )
        chosen = delivery_settings(**values)
        resolver = SystemResolver(at_once=chosen.at_once)
        try:
            async with EgressClient(
                policy, resolver.resolve, timeout_seconds=chosen.timeout_seconds
            ) as client:
                deliverer = Deliverer(
                    database=database, client=client, settings=chosen, chance=lambda: 0.0
                )
                return await work(deliverer)
        finally:
            resolver.close()

    return asyncio.run(run())


@pytest.fixture
def deliver(database: Database) -> Callable[..., None]:
    """Send what is due, and record what became of it."""
    return lambda **values: with_deliverer(database, Deliverer.drain, **values)


def verified(receiver: Receiver, *secrets: str) -> list[dict[str, Any]]:
    """What a receiver was told, each message verified with each of these secrets."""
    for request in receiver.received:
        for secret in secrets:
            Webhook(secret).verify(request.body, dict(request.headers))
    return [json.loads(request.body) for request in receiver.received]
