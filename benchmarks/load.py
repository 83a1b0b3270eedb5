"""Large sheets and single requests at the same time, with a model that costs nothing.

`python -m benchmarks.load [--rows 10000 100000] [--rate 200] [--tail 30]`

For each size: requests are sent at a fixed rate from a process of its own, one POST of a new image
in ten, the others GETs of a job; a sheet is sent meanwhile, and the requests go on for a while
after it was accepted. Then the sheet drains alone. The resident memory of the API's processes that
answer requests, together, and of the service for sheets, is read all the time. The drain rate at
its start and its end is that of the images which finished after the requests ended: a tenth of the
sheet each.

Short, to see that it works: `--rows 300 --rate 50 --tail 2`.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias
from uuid import UUID

import httpx
import psutil
from sqlmodel import col, select

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
from core.db.models import Generation, Job
from core.settings import Settings
from local.stack import Stack

IMAGE = {"steps": 1, "guidance_scale": 1, "width": 32, "height": 32}
POST_EVERY = 10
WARM_UP = 500
BEFORE_SECONDS = 5.0
"""Of requests before the sheet comes."""
SAMPLE_SECONDS = 0.05
MIB = 2**20

Processes: TypeAlias = Sequence[psutil.Process]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--tail", type=float, default=30.0, help="seconds after the acceptance")
    parser.add_argument("--row-limit", type=int, default=16)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = open_to_all(temporary)
        settings = {
            "PACKSHOT_BUNDLE": str(build_microscopic(home)),
            "PACKSHOT_ROW_LIMIT": str(arguments.row_limit),
        }
        with serving(home / "home", settings, with_free_model) as (stack, client):
            finish(client, stack, _send(client, "warm-up", WARM_UP))
            cases = [_measure(stack, client, rows, arguments) for rows in arguments.rows]
    _show(cases, arguments)


def _send(client: httpx.Client, name: str, rows: int) -> str:
    """Send a sheet as a file; give the path of its batch."""
    lines = [f"{name}-{number},{name} mug {number}" for number in range(rows)]
    content = "\n".join(["sku,prompt", *lines, ""]).encode()
    fields = {key: str(value) for key, value in IMAGE.items()}
    answer = client.post(
        "/v1/batches", files={"file": (f"{name}.csv", content, "text/csv")}, data=fields
    )
    answer.raise_for_status()
    path: str = answer.json()["links"]["self"]
    return path


def _measure(
    stack: Stack, client: httpx.Client, rows: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    answering, sheets = _api_processes(stack)
    with _watching(answering) as memory, _watching(sheets) as sheets_memory:
        with sending(_load(client, f"beside {rows}", arguments.rate)) as samples:
            time.sleep(BEFORE_SECONDS)
            sent = time.monotonic()
            batch = _send(client, f"sheet-{rows}", rows)
            accepted = time.monotonic()
            time.sleep(arguments.tail)
        quiet = time.time()  # as Postgres tells when images finished, on the same machine
        finish(client, stack, batch, pause=1.0)
    drained = _drain_rates(stack, UUID(batch.rsplit("/", 1)[1]), quiet, rows)
    phases = {
        "before": [one for one in samples if one.at < sent],
        "accepting": [one for one in samples if sent <= one.at < accepted],
        "draining": [one for one in samples if one.at >= accepted],
    }
    return {
        "rows": rows,
        "accept_seconds": accepted - sent,
        "api_rss_mib": _course(memory),
        "sheets_rss_mib": _course(sheets_memory),
        "drain_per_second": drained,
        "requests": {name: _latencies(found) for name, found in phases.items()},
        "requests_meanwhile": _latencies(phases["accepting"] + phases["draining"]),
    }


def _load(client: httpx.Client, name: str, rate: float) -> Load:
    return Load(
        url=str(client.base_url),
        name=name,
        headers={"Authorization": client.headers["Authorization"]},
        per_second=rate,
        every=POST_EVERY,
        body=IMAGE,
    )


def _api_processes(stack: Stack) -> tuple[Processes, Processes]:
    """Return the API's, and the service for sheets'; their children come and go."""
    api, sheets = (psutil.Process(stack.processes()[name]) for name in ("api", "sheets"))
    return [api], [sheets]


@contextmanager
def _watching(processes: Processes) -> Iterator[list[float]]:
    """Read the resident memory of some processes in MiB while the block runs."""
    found: list[float] = []

    def read() -> None:
        found.append(sum(map(resident, processes)) / MIB)

    read()
    with repeating(read, SAMPLE_SECONDS):
        yield found


def _course(memory: Sequence[float]) -> dict[str, float]:
    return {"before": memory[0], "peak": max(memory), "after": memory[-1]}


def _drain_rates(stack: Stack, batch_id: UUID, quiet: float, rows: int) -> dict[str, float | None]:
    """Give images a second, of the first and the last tenth that finished without requests."""
    database = Database(Settings(database_url=stack.environment["PACKSHOT_DATABASE_URL"]))
    with database.session() as session:
        finished = session.exec(
            select(Generation.finished_at)
            .join(Job, col(Job.generation_id) == col(Generation.id))
            .where(col(Job.batch_id) == batch_id)
        ).all()
    database.close()
    moments = sorted(one.timestamp() for one in finished if one is not None)
    later, tenth = [one for one in moments if one > quiet], max(2, rows // 10)
    if len(later) < 2 * tenth:
        # Too little was left: whatever it shows is of the requests, too.
        return {"start": None, "end": None, "whole": _rate(moments)}
    start, end = _rate(later[:tenth]), _rate(later[-tenth:])
    return {"start": start, "end": end, "whole": _rate(moments)}


def _rate(moments: Sequence[float]) -> float:
    return (len(moments) - 1) / max(1e-3, moments[-1] - moments[0])


def _latencies(samples: Sequence[Sample]) -> dict[str, Any]:
    """Tell milliseconds by kind, and what got no good answer."""
    found: dict[str, Any] = {
        "sent": sum(one.status >= 0 for one in samples),
        "not_sent": sum(one.status == -1 for one in samples),
        "failed": sum(one.status == 0 or one.status >= 400 for one in samples),
    }
    return found | latencies(samples)


def _show(cases: Sequence[Mapping[str, Any]], arguments: argparse.Namespace) -> None:
    rows = [_row(case, arguments) for case in cases]
    table = [
        {"figure": name, **{f"{row['rows']} rows": row[name] for row in rows}} for name in rows[0]
    ]
    show("load", table[1:], {"rate": arguments.rate, "tail": arguments.tail, "cases": cases})


def _row(case: Mapping[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    drained = case["drain_per_second"]
    row = {
        "rows": case["rows"],
        "seconds until it is accepted": f"{case['accept_seconds']:.2f}",
        **{
            f"{name} before, peak, after, MiB": " ".join(f"{one:.0f}" for one in case[key].values())
            for name, key in (("API's memory", "api_rss_mib"), ("for sheets", "sheets_rss_mib"))
        },
        "drained a second: start, end, whole": " ".join(
            "–" if drained[name] is None else f"{drained[name]:.1f}"
            for name in ("start", "end", "whole")
        ),
    }
    for name, found in (*case["requests"].items(), ("meanwhile", case["requests_meanwhile"])):
        for kind in ("POST", "GET"):
            times = found.get(kind)
            shown = f"{times['p50_ms']:.1f} {times['p99_ms']:.1f}" if times else "–"
            row[f"{kind} p50, p99, ms: {name}"] = shown
    meanwhile = case["requests_meanwhile"]
    row[f"requests at {arguments.rate:g}/s: sent, not sent, failed"] = " ".join(
        str(meanwhile[name]) for name in ("sent", "not_sent", "failed")
    )
    return row


if __name__ == "__main__":
    main()
