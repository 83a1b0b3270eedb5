"""Resident memory and start-up time of each process of the stack.

`python -m benchmarks.footprint [--rounds 3]`

The embedded stack starts on existing data and a built starter bundle, as on a second day; memory
is read when everything is ready, and again after sixteen images. Then one more API process starts
beside the rest.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.bundle import build_starter
from benchmarks.report import show, spread
from benchmarks.requests import mixed
from benchmarks.stack import finish, open_to_all, serving
from local.ports import free_port
from local.stack import Stack

MIB = 2**20


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = open_to_all(temporary) / "home"
        home.mkdir()
        build_starter(home)
        _start_once(home)  # makes the data and the compiled models
        rounds = [_start_once(home) for _ in range(arguments.rounds)]
    rows = [
        {"figure": name, "median (min–max)": spread([found[name] for found in rounds])}
        for name in rounds[0]
    ]
    medians = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    show("footprint", rows, {"rounds": arguments.rounds, "figures": medians})


def _start_once(home: Path) -> dict[str, float]:
    start = time.monotonic()
    with serving(home, {"PACKSHOT_BUNDLE": str(home / "bundle")}) as (stack, client):
        figures = {"API ready, s": time.monotonic() - start}
        _make(client, stack, "first", 1)
        figures["first image, s"] = time.monotonic() - start
        figures |= _memory(stack, "ready")
        _make(client, stack, "more", 16)
        figures |= _memory(stack, "after 16 images")
        figures["API process alone, from its start to its first answer, s"] = _start_api(stack)
        return figures


def _start_api(stack: Stack) -> float:
    """Start one more API process on the running stack, and wait for its answer."""
    port = free_port()
    environment = os.environ | stack.environment | {"PACKSHOT_API_PORT": str(port)}
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "api"], env=environment, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while process.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
            except httpx.TransportError:
                time.sleep(0.01)
            else:
                return time.monotonic() - start
        raise SystemExit("the API did not start")
    finally:
        process.terminate()
        process.wait()


def _make(client: httpx.Client, stack: Stack, name: str, count: int) -> None:
    rows: list[dict[str, Any]] = [
        # The time makes every prompt new: nothing is answered from store.
        {"sku": f"{name}-{number}", "prompt": f"{request.prompt}, {time.time_ns()}"}
        for number, request in enumerate(mixed(count, width=128, height=128))
    ]
    answer = client.post("/v1/batches", json={"rows": rows})
    answer.raise_for_status()
    finish(client, stack, answer.json()["links"]["self"], pause=0.05)


def _memory(stack: Stack, moment: str) -> dict[str, float]:
    found = {}
    for name, identity in stack.processes().items():
        process = psutil.Process(identity)
        family = [process, *process.children(recursive=True)]
        # Proportional: Postgres's processes share most of theirs.
        size = sum(member.memory_full_info().pss for member in family)
        found[f"{name} {moment}, MiB"] = size / MIB
    return found


if __name__ == "__main__":
    main()
