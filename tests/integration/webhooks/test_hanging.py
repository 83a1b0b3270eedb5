"""A deliverer whose Postgres hangs waits so long and no longer, and delivers when it is back."""

import asyncio
import time

from core.db.engine import Database
from core.webhooks.event_types import EventType
from ops.webhooks.deliverer import Deliverer
from tests.integration.shop import poll
from tests.integration.webhooks.conftest import with_deliverer
from tests.support.frozen import frozen

ROOM = 10.0
"""Seconds that a busy machine may take beside the product's own timeouts."""


def test_events_are_delivered_once_after_a_silence(listening, receive, shop, settings, services):
    receiver = receive()
    listening.register(receiver.url, EventType.IMAGE_COMPLETED)
    (job,) = shop.want("mug").job_ids
    shop.succeed(shop.start(job))
    database = Database(settings, statement_seconds=1.0)

    async def work(deliverer: Deliverer) -> float:
        # Connected before the silence begins.
        with database.session() as session:
            session.connection()
        with frozen(services.postgres):
            began = time.monotonic()
            await deliverer.step()
            took = time.monotonic() - began
        deadline = time.monotonic() + 60
        while not receiver.received and time.monotonic() < deadline:
            await deliverer.step()
            await asyncio.sleep(0.1)
        await deliverer.drain()
        return took

    took = with_deliverer(database, work)
    # A statement's second, two more for its answer, and two for a connection.
    assert took < 1 + 2 + 2 + ROOM
    assert len(receiver.received) == 1
    poll(lambda: [one.state.value for one in listening.deliveries()] == ["delivered"])
    database.close()
