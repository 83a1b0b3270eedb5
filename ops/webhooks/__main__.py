"""The webhook process, `python -m ops.webhooks`: it delivers until it is told to stop."""

import asyncio
import signal
import sys

import structlog

from core.db.engine import Database
from core.egress.client import EgressClient
from core.egress.policy import EgressPolicy
from core.egress.resolver import SystemResolver
from core.settings import Settings
from core.startup import run_or_explain, wait_for_services
from ops.heartbeat import Heartbeat
from ops.webhooks.deliverer import Deliverer, DeliverySettings

log = structlog.get_logger("ops.webhooks")


def delivery_settings(settings: Settings) -> DeliverySettings:
    """Read how messages are sent."""
    return DeliverySettings(
        timeout_seconds=settings.webhook_timeout,
        at_once=settings.webhook_concurrency,
        each=settings.webhook_endpoint_concurrency,
        poll_seconds=settings.webhook_poll_seconds,
        disable_seconds=settings.webhook_disable_seconds,
        public_url=settings.public_url,
    )


def run(settings: Settings) -> int:
    """Deliver until SIGTERM or SIGINT.

    Raises:
        ServiceDownError: Postgres stays away at the start.
        InvalidSettingError: The allow-list cannot be read.
    """
    policy = EgressPolicy.of(settings)
    database = Database(settings, statement_seconds=settings.statement_timeout)
    wait_for_services([database.check], settings)
    try:
        asyncio.run(_deliver(settings, policy, database))
    finally:
        database.close()
    return 0


async def _deliver(settings: Settings, policy: EgressPolicy, database: Database) -> None:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    resolver = SystemResolver(at_once=settings.webhook_concurrency)
    try:
        async with EgressClient(
            policy, resolver.resolve, timeout_seconds=settings.webhook_timeout
        ) as client:
            log.info("delivering", at_once=settings.webhook_concurrency)
            deliverer = Deliverer(
                database=database, client=client, settings=delivery_settings(settings)
            )
            heartbeat = Heartbeat(settings.health_file)
            await deliverer.run(stopped, after_step=heartbeat.watch(lambda: None))
    finally:
        resolver.close()


def main() -> int:
    """Run the deliverer; return the exit code."""
    return run_or_explain(run)


if __name__ == "__main__":
    sys.exit(main())
