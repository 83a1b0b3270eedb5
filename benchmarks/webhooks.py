"""How many messages a webhook process delivers.

`python -m benchmarks.webhooks [--messages 2000] [--endpoints 10] [--rounds 3]`: events are written
for endpoints of a receiver on this machine, which answers 204 at once from a process of its own, on
real Postgres. Delivered by one process, from the first look at the outbox to the last record.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.report import show, spread


def main() -> None:
    """Measure, and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # The embedded Postgres runs as another user when this is root.
        Path(folder).chmod(0o755)
        rounds = _measure(Path(folder), arguments)
    rows = [
        {
            "webhooks": name,
            "a second": spread([one[f"{name}_per_second"] for one in rounds], 0),
            "CPU ms each": spread([one[f"{name}_cpu_ms"] for one in rounds], 2),
        }
        for name in ("written", "delivered")
    ]
    result = {
        "messages": arguments.messages,
        "endpoints": arguments.endpoints,
        "rounds": rounds,
        "delivered_per_second": statistics.median(one["delivered_per_second"] for one in rounds),
    }
    show("webhooks", rows, result)


def _measure(folder: Path, arguments: argparse.Namespace) -> list[dict[str, float]]:
    from core.db.engine import Database
    from core.settings import Settings, fields_in
    from local.infrastructure import Infrastructure
    from migrations import upgrade

    with Infrastructure(folder, durable=True) as services:
        names = fields_in(services.environment)
        settings = Settings(
            _env_file=None,
            **names | {"outbound_allow": "127.0.0.0/8", "outbound_ports": "1-65535"},
        )
        upgrade(settings.database_url)
        database = Database(settings)
        ours, theirs = multiprocessing.Pipe()
        receiver = multiprocessing.get_context("spawn").Process(
            target=_receive, args=(theirs,), daemon=True
        )
        receiver.start()
        try:
            _register(database, ours.recv(), arguments.endpoints)
            return [_round(database, settings, arguments) for _ in range(arguments.rounds)]
        finally:
            receiver.terminate()
            receiver.join()
            database.close()


def _register(database: Any, port: int, number: int) -> None:
    from core.webhooks import endpoints

    with database.session() as session:
        for place in range(number):
            endpoints.create(session, "shop", url=f"http://127.0.0.{1 + place}:{port}/")


def _round(database: Any, settings: Any, arguments: argparse.Namespace) -> dict[str, float]:
    """Write events for every endpoint, then deliver them."""
    events = max(1, arguments.messages // arguments.endpoints)
    messages = events * arguments.endpoints
    measured: dict[str, float] = {}
    for name, work in (
        ("written", lambda: _write(database, events)),
        ("delivered", lambda: asyncio.run(_deliver(database, settings))),
    ):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        measured[f"{name}_per_second"] = messages / (time.perf_counter() - began)
        measured[f"{name}_cpu_ms"] = (time.process_time() - cpu) * 1e3 / messages
    _require_all(database)
    return measured


def _write(database: Any, events: int) -> None:
    """Write events one transaction at a time, as a busy worker's group commits do."""
    from core.webhooks.event_types import EventType
    from core.webhooks.events import record_endpoint_event
    from core.webhooks.listeners import listeners_of

    for number in range(events):
        with database.session() as session:
            to = listeners_of(session, ["shop"])["shop"]
            record_endpoint_event(session, "shop", EventType.ENDPOINT_TEST, {"number": number}, to)


async def _deliver(database: Any, settings: Any) -> None:
    from core.egress.client import EgressClient
    from core.egress.policy import EgressPolicy
    from core.egress.resolver import SystemResolver
    from ops.webhooks.__main__ import delivery_settings
    from ops.webhooks.deliverer import Deliverer

    chosen = delivery_settings(settings)
    resolver = SystemResolver(at_once=chosen.at_once)
    async with EgressClient(
        EgressPolicy.of(settings), resolver.resolve, timeout_seconds=chosen.timeout_seconds
    ) as client:
        await Deliverer(database=database, client=client, settings=chosen).drain()
    resolver.close()


def _require_all(database: Any) -> None:
    """Look whether everything arrived at the first attempt."""
    from sqlmodel import select

    from core.db.models import WebhookDelivery

    with database.session() as session:
        rows = session.exec(select(WebhookDelivery)).all()
    assert all(row.state == "delivered" and row.attempts == 1 for row in rows)


def _receive(told: Connection) -> None:
    """Answer 204 to everything, and tell on which port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    async def serve() -> None:
        # On all addresses of loopback: each endpoint has a host of its own, as in life.
        server = await asyncio.start_server(answer, "0.0.0.0", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
