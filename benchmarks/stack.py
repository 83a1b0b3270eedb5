"""The whole embedded stack for a benchmark, with a client that has a key."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from core.db.engine import Database
from core.keys import create_key
from core.settings import Settings
from local.application import application
from local.ports import free_port
from local.service import Service
from local.stack import Stack

TENANT = "benchmark"


@contextmanager
def serving(
    home: Path,
    settings: Mapping[str, str],
    change: Callable[[Sequence[Service]], Sequence[Service]] = lambda services: services,
) -> Iterator[tuple[Stack, httpx.Client]]:
    """Run the stack on the data in `home`.

    Args:
        home: Made when it is not there; Postgres must be able to reach it as another user.
        settings: `PACKSHOT_*` variables of every process.
        change: What runs, made of what runs otherwise.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    services = change(application(api_port=port))
    variables = {"PACKSHOT_HOME": str(home), "PACKSHOT_LOG_LEVEL": "WARNING"} | dict(settings)
    with (
        Stack(home, lambda _: services, settings=variables, say=lambda _: None) as stack,
        keyed_client(stack.environment, port) as client,
    ):
        yield stack, client


@contextmanager
def keyed_client(environment: Mapping[str, str], port: int) -> Iterator[httpx.Client]:
    """Give a client of the API on this port, with a new key that has no limits."""
    database = Database(Settings(database_url=environment["PACKSHOT_DATABASE_URL"]))
    with database.session() as session:
        _, key = create_key(session, TENANT, requests_per_minute=0, queued_images=0)
    database.close()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=120,
    ) as client:
        yield client


def with_free_model(services: Sequence[Service]) -> Sequence[Service]:
    """Return the services with a worker whose model costs nothing."""
    free = [sys.executable, "-m", "benchmarks.free_model"]
    return [replace(one, argv=free) if one.name == "worker" else one for one in services]


def free_workers(
    number: int, *, pause: float = 0.0
) -> Callable[[Sequence[Service]], Sequence[Service]]:
    """Make what puts so many workers whose model costs nothing in the place of one.

    Args:
        number: Of workers.
        pause: Seconds that a call of their model takes, without computing.
    """
    argv = [sys.executable, "-m", "benchmarks.free_model", "--pause", str(pause)]

    def change(services: Sequence[Service]) -> Sequence[Service]:
        (worker,) = (one for one in services if one.name == "worker")
        workers = [
            replace(worker, name=f"worker-{place}", argv=argv) for place in range(1, number + 1)
        ]
        return [*workers, *(one for one in services if one is not worker)]

    return change


@contextmanager
def repeating(work: Callable[[], object], seconds: float) -> Iterator[None]:
    """Do something every so many seconds while the block runs."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def resident(process: psutil.Process) -> int:
    """Return the bytes of memory of a process and its children."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss
    return total


def open_to_all(folder: str) -> Path:
    """Let others reach a temporary folder: the embedded Postgres runs as another user than root."""
    os.chmod(folder, 0o755)
    return Path(folder)


def finish(client: httpx.Client, stack: Stack, batch: str, pause: float = 0.2) -> dict[str, Any]:
    """Wait for a batch, and give its last view.

    Args:
        client: Whose batch it is.
        stack: Looked after meanwhile.
        batch: Its path.
        pause: Seconds between two looks.

    Raises:
        SystemExit: Not every image was made.
    """
    while True:
        view: dict[str, Any] = client.get(batch).json()
        if view["state"] != "running":
            break
        stack.check()
        time.sleep(pause)
    if view["counts"]["succeeded"] != view["total"]:
        raise SystemExit(f"not every image was made: {view['counts']}")
    return view
