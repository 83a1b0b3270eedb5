"""How many workers one Postgres and one Redis carry: simulated, with costs of real runs.

`python -m benchmarks.scale [--workers 10 50 100 200 500] [--seconds 20 2 0.5]` simulates.
`python -m benchmarks.scale --record [--jobs 200] [--most 3]` runs the whole embedded stack with as
many workers with a free model as `--most` says, and writes what they cost beside this file.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import make_url

from benchmarks.bundle import build_microscopic
from benchmarks.queueing import JobCosts, Outcome, simulate
from benchmarks.report import machine, show
from benchmarks.stack import finish, free_workers, open_to_all, serving
from local.stack import Stack

FILE = Path(__file__).with_name("scale_costs.json")
STEPS, SIZE = 1, 32
HELD_SECONDS = 1.0
"""What a call of the model takes where it is measured what a worker costs that waits for it."""
SATURATED = 0.9
"""Of what so many workers would make without each other; below, they wait for each other."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 50, 100, 200, 500])
    parser.add_argument("--seconds", type=float, nargs="+", default=[20.0, 2.0, 0.5])
    parser.add_argument("--postgres-cores", type=int, default=4)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--most", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.record:
        FILE.write_text(json.dumps(record(arguments.jobs, arguments.most), indent=2) + "\n")
    recorded = json.loads(FILE.read_text())
    costs = JobCosts(**recorded["costs"])
    outcomes = [
        simulate(costs, workers=workers, seconds=seconds, postgres_cores=arguments.postgres_cores)
        for seconds in arguments.seconds
        for workers in arguments.workers
    ]
    show(
        "scale",
        [_row(one) for one in outcomes],
        {
            "recorded": recorded,
            "postgres_cores": arguments.postgres_cores,
            "saturates_at": {
                seconds: _saturation([one for one in outcomes if one.seconds == seconds])
                for seconds in arguments.seconds
            },
            "simulated": [asdict(one) for one in outcomes],
        },
    )


def _row(one: Outcome) -> dict[str, str]:
    return {
        "seconds an image": f"{one.seconds:g}",
        "workers": f"{one.workers:,}",
        "images/s": f"{one.images_per_second:,.1f}",
        "of linear": f"{one.share_of_linear:.0%}",
        "Postgres busy": f"{one.postgres_busy:.0%}",
        "Redis busy": f"{one.redis_busy:.0%}",
        "claim, p95 ms": f"{1000 * one.claim_seconds_p95:,.1f}",
        "connections": f"{one.connections:,}",
    }


def _saturation(outcomes: Sequence[Outcome]) -> int | None:
    """Return the least number of workers that wait for each other; None: none of these."""
    waiting = [one.workers for one in outcomes if one.share_of_linear < SATURATED]
    return min(waiting, default=None)


def record(jobs: int, most: int) -> dict[str, Any]:
    """Run the stack with 1 to `most` workers; return what a job costs, and what was measured."""
    with tempfile.TemporaryDirectory() as temporary:
        home = open_to_all(temporary)
        bundle = build_microscopic(home)
        runs = [
            _run(home / f"free-{workers}", bundle, jobs, workers) for workers in range(1, most + 1)
        ]
        held = _run(home / "held", bundle, 8 * most, most, pause=HELD_SECONDS)
    per_job = _per_job(runs)
    standing = {
        part: max(0.0, held["cpu"][part] - held["jobs"] * per_job[part]) / (held["seconds"] * most)
        for part in ("postgres", "valkey")
    }
    costs = JobCosts(
        postgres_seconds=per_job["postgres"],
        redis_seconds=per_job["valkey"],
        postgres_share_of_worker=standing["postgres"],
        redis_share_of_worker=standing["valkey"],
        connections_of_worker=held["connections"] / most,
    )
    return {
        "costs": asdict(costs),
        "cpu_ms_per_job": {part: 1000 * seconds for part, seconds in per_job.items()},
        "measured": [
            {"workers": one["workers"], "jobs_per_second": one["jobs"] / one["seconds"]}
            for one in runs
        ],
        "machine": machine(),
    }


def _per_job(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the CPU seconds of a job by part, all workers together."""
    jobs = sum(one["jobs"] for one in runs)
    found: dict[str, float] = {}
    for one in runs:
        for part, seconds in one["cpu"].items():
            name = part.partition("-")[0]
            found[name] = found.get(name, 0.0) + seconds / jobs
    return found


def _run(
    home: Path, bundle: Path, jobs: int, workers: int, *, pause: float = 0.0
) -> dict[str, Any]:
    settings = {"PACKSHOT_BUNDLE": str(bundle)}
    with serving(home, settings, free_workers(workers, pause=pause)) as (stack, client):
        _make(client, stack, "warm-up", 8 * workers)
        connections: list[int] = []
        before, started = _cpu(stack), time.monotonic()
        _make(client, stack, "measured", jobs, connections)
        seconds, after = time.monotonic() - started, _cpu(stack)
    cpu = {part: after[part] - before.get(part, 0.0) for part in after}
    return {
        "workers": workers,
        "jobs": jobs,
        "seconds": seconds,
        "cpu": cpu,
        "connections": max(connections),
    }


def _make(
    client: httpx.Client,
    stack: Stack,
    name: str,
    jobs: int,
    connections: list[int] | None = None,
) -> None:
    rows = [
        {"sku": f"S{number}", "prompt": f"{name} {number}", "steps": STEPS, "guidance_scale": 1,
         "width": SIZE, "height": SIZE}
        for number in range(jobs)
    ]  # fmt: skip
    answer = client.post("/v1/batches", json={"rows": rows, "name": name})
    answer.raise_for_status()
    if connections is not None:
        connections.append(_connections(stack))
    finish(client, stack, answer.json()["links"]["self"])


def _connections(stack: Stack) -> int:
    """Count the connections of workers to Postgres."""
    port = make_url(stack.environment["PACKSHOT_DATABASE_URL"]).port
    workers = [
        psutil.Process(identity)
        for name, identity in stack.processes().items()
        if name.startswith("worker")
    ]
    return sum(
        bool(one.raddr) and one.raddr.port == port
        for worker in workers
        for one in worker.net_connections("tcp")
    )


def _cpu(stack: Stack) -> dict[str, float]:
    """Return the CPU seconds of each part, its children included."""
    found = {}
    for name, identity in stack.processes().items():
        process = psutil.Process(identity)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        found[name] = sum(
            one.user + one.system + one.children_user + one.children_system for one in times
        )
    return found


if __name__ == "__main__":
    main()
