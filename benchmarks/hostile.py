"""What other tenants notice of a hostile one.

`python -m benchmarks.hostile [--seconds 30] [--rate 20] [--scale 1] [--attacks "dry runs" ...]`

A tenant asks for images and how they stand at a fixed rate, sends a small sheet once a second, and
is told of every image by webhook, whose time is that from the event's transaction to its arrival;
first alone, then beside each attack (`benchmarks.attacks`). A row of the table is an attack:
milliseconds, how often p99 is that of the same tenant alone, what got no good answer, and the most
resident memory of each of the server's processes. The model costs nothing. The aim: p99 within 3
times, and no failure.

Short, to see that it works: `--seconds 3 --scale 0.02`.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil

from benchmarks.attacks import ATTACKS, Target, attacking
from benchmarks.bundle import build_microscopic
from benchmarks.open_loop import Load, Sample, latencies, sending
from benchmarks.report import show
from benchmarks.stack import (
    finish,
    open_to_all,
    repeating,
    resident,
    serving,
    with_free_model,
)
from core.db.engine import Database
from core.keys import create_key
from core.settings import Settings
from local.stack import Stack
from tests.receiver import Received, Receiver, Reply, receiving

IMAGE = {"steps": 1, "guidance_scale": 1, "width": 32, "height": 32}
POST_EVERY = 5
SHEET_ROWS = 10
WARM_UP = 100
SETTLE_SECONDS = 2.0
"""From an attack's begin until it counts, and from its end to the next one."""
WATCH_SECONDS = 0.2
MIB = 2**20
ALONE = "nobody"
KINDS = ("POST", "GET", "sheet", "webhook")
LOOPBACK = {"PACKSHOT_OUTBOUND_ALLOW": "127.0.0.0/8", "PACKSHOT_OUTBOUND_PORTS": "1-65535"}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each attack")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--scale", type=float, default=1.0, help="of the attacks")
    parser.add_argument("--attacks", nargs="*", choices=ATTACKS, default=list(ATTACKS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = open_to_all(temporary)
        settings = {"PACKSHOT_BUNDLE": str(build_microscopic(home)), **LOOPBACK}
        with (
            receiving() as receiver,
            serving(home / "home", settings, with_free_model) as (stack, client),
        ):
            answer = client.post("/v1/webhook-endpoints", json={"url": receiver.url})
            answer.raise_for_status()
            finish(client, stack, _send_sheet(client, "warm-up", WARM_UP))
            target = Target(
                s3=stack.processes()["s3"],
                url=str(client.base_url).rstrip("/"),
                key=_other_key(stack),
                scale=arguments.scale,
            )
            cases = [
                _measure(target, stack, client, receiver, name, arguments)
                for name in (ALONE, *arguments.attacks)
            ]
    _show(cases, arguments)


def _other_key(stack: Stack) -> str:
    database = Database(Settings(database_url=stack.environment["PACKSHOT_DATABASE_URL"]))
    with database.session() as session:
        _, key = create_key(session, "hostile", requests_per_minute=0, queued_images=0)
    database.close()
    return key


def _send_sheet(client: httpx.Client, name: str, rows: int) -> str:
    asked = [{"sku": f"{name}-{n}", "prompt": f"{name} mug {n}", **IMAGE} for n in range(rows)]
    answer = client.post("/v1/batches", json={"rows": asked})
    answer.raise_for_status()
    return str(answer.json()["links"]["self"])


def _measure(
    target: Target,
    stack: Stack,
    client: httpx.Client,
    receiver: Receiver,
    name: str,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    attack = attacking(target, name) if name != ALONE else nullcontext()
    load = Load(
        url=target.url,
        name=f"beside {name}",
        headers={"Authorization": client.headers["Authorization"]},
        per_second=arguments.rate,
        every=POST_EVERY,
        body=IMAGE,
    )
    with _memory(stack) as memory, attack:
        time.sleep(SETTLE_SECONDS)
        with (
            _told(receiver) as told,
            sending(load) as samples,
            _sheets(client, name) as sheets,
        ):
            time.sleep(arguments.seconds)
    time.sleep(SETTLE_SECONDS)
    return {"attack": name, "memory_mib": memory, **_latencies([*samples, *sheets, *told])}


@contextmanager
def _sheets(client: httpx.Client, name: str) -> Iterator[list[Sample]]:
    """Send a small sheet every second while the block runs, whether or not the answers keep up."""
    samples: list[Sample] = []
    threads: list[threading.Thread] = []

    def send(number: int, at: float) -> None:
        status = 0
        with suppress(httpx.TransportError):
            rows = [
                {"sku": f"{name}-{number}-{row}", "prompt": f"{name} {number} {row}", **IMAGE}
                for row in range(SHEET_ROWS)
            ]
            status = client.post("/v1/batches", json={"rows": rows}).status_code
        seconds = time.monotonic() - at
        samples.append(Sample(at=at, kind="sheet", seconds=seconds, status=status))

    def begin() -> None:
        threads.append(threading.Thread(target=send, args=(len(threads), time.monotonic())))
        threads[-1].start()

    try:
        with repeating(begin, 1.0):
            yield samples
    finally:
        for thread in threads:
            thread.join()


@contextmanager
def _told(receiver: Receiver) -> Iterator[list[Sample]]:
    """Note how old each message is when it comes, while the block runs."""
    samples: list[Sample] = []

    def hear(request: Received) -> Reply:
        event = datetime.fromisoformat(json.loads(request.body)["timestamp"])
        seconds = (datetime.now(UTC) - event).total_seconds()
        samples.append(Sample(at=time.monotonic(), kind="webhook", seconds=seconds, status=204))
        return Reply()

    receiver.reply = hear
    try:
        yield samples
    finally:
        receiver.reply = lambda _: Reply()


@contextmanager
def _memory(stack: Stack) -> Iterator[dict[str, float]]:
    """Note the most resident memory of each of the stack's services, with its children, in MiB."""
    most: dict[str, float] = {}

    def watch() -> None:
        for name, pid in stack.processes().items():
            with suppress(psutil.Error):
                mib = round(resident(psutil.Process(pid)) / MIB, 1)
                most[name] = max(most.get(name, 0.0), mib)

    with repeating(watch, WATCH_SECONDS):
        yield most


def _latencies(samples: Sequence[Sample]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "sent": len(samples),
        "failed": sum(one.status <= 0 or one.status >= 400 for one in samples),
    }
    return found | latencies(samples)


def _show(cases: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> None:
    alone = cases[0]
    rows = []
    for case in cases:
        row: dict[str, Any] = {"beside": case["attack"]}
        for kind in KINDS:
            times, usual = case.get(kind), alone.get(kind)
            row[f"{kind} p50, p99, ms"] = (
                f"{times['p50_ms']:.1f} {times['p99_ms']:.1f}" if times else "–"
            )
            row["×" if kind == "POST" else f"× {kind}"] = (
                f"{times['p99_ms'] / usual['p99_ms']:.1f}" if times and usual else "–"
            )
        row["sent, failed"] = f"{case['sent']} {case['failed']}"
        row["MiB"] = " ".join(
            f"{name} {mib:.0f}" for name, mib in sorted(case["memory_mib"].items())
        )
        rows.append(row)
    show(
        "hostile", rows,
        {"seconds": arguments.seconds, "rate": arguments.rate, "scale": arguments.scale,
         "cases": list(cases)},
    )  # fmt: skip


if __name__ == "__main__":
    main()
