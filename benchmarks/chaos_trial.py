"""One trial: sheets are sent to a stack that is struck, and what is there is compared with them."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.chaos_audit import Faults, audit, is_settled
from benchmarks.chaos_customer import Customer, Row
from benchmarks.chaos_plan import Blow, Terms, draw_blows
from benchmarks.chaos_stack import FragileStack, deal
from benchmarks.chaos_told import Listener
from benchmarks.stack import keyed_client
from core.db.engine import DATABASE_ERRORS, Database
from core.settings import Settings, fields_in
from core.storage import Storage
from local.application import application
from local.ports import free_port
from local.service import Restart, Service
from tests.receiver import Received, Reply, receiving

WORKERS = 2
SERVERS = ("valkey", "postgres", "s3")
ROW_LIMIT = 8
SENDING = 0.7
"""Part of the time in which sheets are sent: rows are under way until the end."""
REFUSED = 10
"""One in so many events is answered with 500 when it comes first."""
TICK_SECONDS = 0.05

SETTINGS = {
    "PACKSHOT_ROW_LIMIT": str(ROW_LIMIT),
    # An image whose worker dies three times counts as poisonous; here the murderer is known.
    "PACKSHOT_MAX_ATTEMPTS": "1000",
    "PACKSHOT_LEASE_SECONDS": "10",
    "PACKSHOT_VISIBILITY_TIMEOUT": "10",
    "PACKSHOT_SWEEP_SECONDS": "1",
    "PACKSHOT_REPUBLISH_SECONDS": "3",
    "PACKSHOT_JANITOR_SECONDS": "10",
    "PACKSHOT_INFERENCE_THREADS": "1",
    # Shorter than an absence: some wait for the answer, some give it up.
    "PACKSHOT_STATEMENT_TIMEOUT": "2",
    "PACKSHOT_S3_TIMEOUT": "5",
    "PACKSHOT_WEBHOOK_TIMEOUT": "5",
    "PACKSHOT_OUTBOUND_ALLOW": "127.0.0.1",
    "PACKSHOT_OUTBOUND_PORTS": "1024-65535",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of it."""

    faults: Faults
    struck: Sequence[tuple[float, Blow]]
    """Every blow, and when by the monotonic clock."""
    settle_seconds: float
    """From the last blow until everything was finished and delivered."""
    repeated_requests: int
    """Of the shop: sent again under the same key."""
    events: int
    """Ids that the receiver was told."""
    messages: int
    """Messages with them."""


def run(
    home: Path,
    bundle: Path,
    sheets: Mapping[str, Sequence[Row]],
    terms: Terms,
    *,
    worker: Sequence[str] = (),
    workers: int = WORKERS,
    settings: Mapping[str, str] | None = None,
    patience: float = 600.0,
    meanwhile: Callable[[Database], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Found:
    """Send sheets to a stack that is struck, let it finish, and compare.

    Args:
        home: The stack's data.
        bundle: The model.
        sheets: The rows of each, by its name; a SKU is in a sheet once.
        terms: The blows.
        worker: What runs as a worker; without it the real one.
        workers: How many of them.
        settings: Other `PACKSHOT_*` variables than `SETTINGS`.
        patience: Seconds after the last blow in which all must be finished.
        meanwhile: Called in that time again and again.
        say: Told of every blow.
    """
    port = free_port()
    services = _services(port, worker, workers)
    variables = {**SETTINGS, "PACKSHOT_BUNDLE": str(bundle), **(settings or {})}
    with (
        receiving() as receiver,
        FragileStack(home, services, settings=variables, say=say) as stack,
        closing(Database(_settings(stack))) as database,
        closing(Storage(_settings(stack))) as storage,
        keyed_client(stack.environment, port) as client,
    ):
        customer = Customer(client, sheets, seconds=SENDING * terms.seconds)
        endpoint = customer.send("/v1/webhook-endpoints", {"url": receiver.url})
        listener = Listener(endpoint["secret"])
        receiver.reply = _Moody(listener)
        customer.start()
        try:
            watched = [one.name for one in services if one.restart is Restart.ALWAYS]
            blows = draw_blows(terms, services=watched, servers=SERVERS)
            for _ in deal(stack, blows, seconds=terms.seconds, say=say):
                customer.check()
                time.sleep(TICK_SECONDS)
            last = time.monotonic()
            for _ in _settling(stack, database, sheets=len(sheets), seconds=patience):
                customer.check()
                with suppress(*DATABASE_ERRORS):
                    meanwhile(database)
            seconds = time.monotonic() - last
        finally:
            customer.leave()
        told = listener.told()
        skus = {name: [str(row["sku"]) for row in rows] for name, rows in sheets.items()}
        return Found(
            faults=audit(database, storage, told, skus),
            struck=stack.struck,
            settle_seconds=seconds,
            repeated_requests=customer.repeated,
            events=len(told.bodies),
            messages=told.messages,
        )


class _Moody:
    """Refuses some events when they come first, and takes them the next time."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __call__(self, request: Received) -> Reply:
        times = self._listener.hear(request)
        if int(request.headers["webhook-id"][-4:], 16) % REFUSED:
            return Reply()
        return Reply(status=500 if times < 2 else 204)


def free_worker(rows: int, steps: int, seconds: float, *, workers: int = WORKERS) -> list[str]:
    """Give the command of a worker whose model computes nothing, so slow that the rows last.

    Its calls take as long as makes all workers together half as quick again as rows come.
    """
    pause = SENDING * seconds * workers * ROW_LIMIT / (1.5 * rows * steps)
    return [sys.executable, "-m", "benchmarks.free_model", f"--pause={pause:.4f}"]


def _services(port: int, worker: Sequence[str], workers: int) -> list[Service]:
    return [
        replace(one, argv=worker) if worker and one.name.startswith("worker") else one
        for one in application(api_port=port, workers=[{}] * workers)
    ]


def _settings(stack: FragileStack) -> Settings:
    return Settings(_env_file=None, **fields_in(stack.environment))


def _settling(
    stack: FragileStack, database: Database, *, sheets: int, seconds: float
) -> Iterator[None]:
    """Look after the stack until everything is finished and delivered, or the time is up."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        stack.check()
        with suppress(*DATABASE_ERRORS):  # it is only just coming back
            if is_settled(database, sheets):
                return
        yield
        time.sleep(4 * TICK_SECONDS)
