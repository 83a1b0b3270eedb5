"""Jobs a second through API, queue, worker, S3 and Postgres, with a model that costs nothing.

`python -m benchmarks.system [--jobs 2000] [--rounds 3] [--model free|microscopic]`

The whole embedded stack runs. With `free`, the worker's model does no work at all; everything
around it, the engine and its schedulers too, is the real thing. `microscopic` is a real model on
OpenVINO of a few kilobytes; what it costs is measured in the engine alone, and shown apart.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.bundle import build_microscopic
from benchmarks.report import show, spread
from benchmarks.stack import finish, open_to_all, serving, with_free_model
from local.stack import Stack

STEPS, SIZE = 1, 32


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--row-limit", type=int, default=16)
    parser.add_argument("--model", choices=["free", "microscopic"], default="free")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = open_to_all(temporary)
        bundle = build_microscopic(home)
        model = 0.0
        if arguments.model == "microscopic":
            model = _model_cost(bundle, arguments.row_limit)
        rounds = _run_stack(home, bundle, arguments)
    _show(rounds, model, arguments)


def _python(code: str, *arguments: str) -> str:
    """Run code in a process of its own, and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    return done.stdout


_MODEL_CODE = f"""
import sys, time
from pathlib import Path
from benchmarks.contenders import packshot
from core.domain.image_spec import ImageSpec

def make(seed):
    return ImageSpec(
        prompt=f"mug {{seed}}", negative_prompt="", steps={STEPS}, guidance_scale=1.0,
        scheduler="ddim", seed=seed, width={SIZE}, height={SIZE},
    )

run = packshot(Path(sys.argv[1]), int(sys.argv[2]), "f32")
run([make(number) for number in range(100)])
before = time.process_time()
run([make(number) for number in range(1000)])
print(time.process_time() - before)
"""


def _model_cost(bundle: Path, row_limit: int) -> float:
    """Measure the CPU milliseconds of one image in the engine alone (seconds of a thousand)."""
    return float(_python(_MODEL_CODE, str(bundle), str(row_limit)))


def _run_stack(home: Path, bundle: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    settings = {
        "PACKSHOT_BUNDLE": str(bundle),
        "PACKSHOT_ROW_LIMIT": str(arguments.row_limit),
    }
    change = [with_free_model] if arguments.model == "free" else []
    with serving(home / "home", settings, *change) as (stack, client):
        _one_round(client, stack, "warm-up", 200)
        return [
            _one_round(client, stack, f"round {number}", arguments.jobs)
            for number in range(arguments.rounds)
        ]


def _one_round(client: httpx.Client, stack: Stack, name: str, jobs: int) -> dict[str, Any]:
    rows = [
        {"sku": f"S{number}", "prompt": f"{name} mug {number}", "steps": STEPS,
         "guidance_scale": 1, "width": SIZE, "height": SIZE}
        for number in range(jobs)
    ]  # fmt: skip
    before, start = _cpu(stack), time.monotonic()
    answer = client.post("/v1/batches", json={"rows": rows, "name": name})
    answer.raise_for_status()
    accepted = time.monotonic() - start
    finish(client, stack, answer.json()["links"]["self"])
    seconds = time.monotonic() - start
    after = _cpu(stack)
    cpu = {part: (after[part] - before.get(part, 0.0)) * 1000 / jobs for part in after}
    return {"seconds": seconds, "accepted_seconds": accepted, "cpu_ms": cpu, "jobs": jobs}


def _cpu(stack: Stack) -> dict[str, float]:
    """Add up the CPU seconds of each part and its children."""
    found = {}
    for name, identity in stack.processes().items():
        process = psutil.Process(identity)
        family = [process, *process.children(recursive=True)]
        times = [member.cpu_times() for member in family]
        found[name] = sum(
            each.user + each.system + each.children_user + each.children_system for each in times
        )
    return found


def _show(rounds: list[dict[str, Any]], model: float, arguments: argparse.Namespace) -> None:
    rates = [found["jobs"] / found["seconds"] for found in rounds]
    parts: Mapping[str, list[float]] = {
        part: [found["cpu_ms"][part] for found in rounds] for part in rounds[0]["cpu_ms"]
    }
    totals = [sum(found["cpu_ms"].values()) for found in rounds]
    rows = [{"figure": "jobs/s", "median (min–max)": spread(rates)}]
    rows.append(
        {
            "figure": f"seconds until a sheet of {arguments.jobs} rows is accepted",
            "median (min–max)": spread([found["accepted_seconds"] for found in rounds], 2),
        }
    )
    rows += [
        {"figure": f"CPU ms per job: {part}", "median (min–max)": spread(values, 2)}
        for part, values in parts.items()
    ]
    rows.append({"figure": "CPU ms per job: all", "median (min–max)": spread(totals, 2)})
    if model:
        rows.append(
            {"figure": "CPU ms per job: the model, in that", "median (min–max)": f"{model:.2f}"}
        )
    outside = statistics.median(totals) - model
    rows.append(
        {"figure": "CPU ms per job outside the model", "median (min–max)": f"{outside:.2f}"}
    )
    show(
        "system",
        rows,
        {
            "jobs_per_second": statistics.median(rates),
            "jobs_per_second_all": rates,
            "cpu_ms_per_job": {part: statistics.median(values) for part, values in parts.items()},
            "cpu_ms_per_job_model": model,
            "cpu_ms_per_job_outside_model": outside,
            "model": arguments.model,
            "jobs": arguments.jobs,
            "rounds": arguments.rounds,
        },
    )


if __name__ == "__main__":
    main()
