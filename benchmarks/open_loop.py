"""Requests at a fixed rate, whether or not the answers keep up.

Latencies count from the moment at which a request was to be sent: what waits behind a slow answer
is slow itself, as it is for people (G. Tene, "How NOT to Measure Latency"). Threads and urllib3: at
200 requests a second httpx's pool of connections needs a whole core for itself.
"""

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import BoundedSemaphore
from typing import Any

from urllib3 import HTTPConnectionPool, connection_from_url
from urllib3.exceptions import HTTPError

from benchmarks.report import percentile

IN_FLIGHT = 256
"""Requests that may wait for their answers at the same time; beyond it, none is sent."""
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One request."""

    at: float
    """When it was to be sent, by the monotonic clock."""
    kind: str
    """POST or GET."""
    seconds: float
    """From then to its answer."""
    status: int
    """0: there was none. -1: it was not sent, for too many were under way."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent."""

    url: str
    name: str
    """Makes its prompts new ones."""
    headers: Mapping[str, str]
    per_second: float
    every: int
    """One in so many requests is a POST of a new image, the others ask how one stands."""
    body: Mapping[str, Any]
    """A job; each gets a prompt of its own."""


class Generator:
    """Sends one load, each request from a thread that waits for its answer."""

    def __init__(self, load: Load, pool: HTTPConnectionPool) -> None:
        self.samples: list[Sample] = []
        self._load = load
        self._pool = pool
        self._under_way = BoundedSemaphore(IN_FLIGHT)
        self._known = ""
        """A job that can be asked for."""

    def begin(self) -> None:
        """Make the first job, so that there is one to ask for."""
        self._under_way.acquire()
        self._send(time.monotonic(), 0)
        self.samples.clear()
        if not self._known:
            raise SystemExit("the API took no job")

    def run(self, told: Connection) -> None:
        """Send until told to stop; then wait for the answers."""
        begun, number = time.monotonic(), 0
        with ThreadPoolExecutor(IN_FLIGHT) as threads:
            while not told.poll():
                at = begun + number / self._load.per_second
                time.sleep(max(0.0, at - time.monotonic()))
                if self._under_way.acquire(blocking=False):
                    threads.submit(self._send, at, number)
                else:
                    self.samples.append(
                        Sample(at=at, kind=self._kind(number), seconds=0.0, status=-1)
                    )
                number += 1

    def _kind(self, number: int) -> str:
        return "GET" if number % self._load.every else "POST"

    def _send(self, at: float, number: int) -> None:
        kind, status = self._kind(number), 0
        try:
            with suppress(HTTPError):
                status = self._post(number) if kind == "POST" else self._get()
            seconds = time.monotonic() - at
            self.samples.append(Sample(at=at, kind=kind, seconds=seconds, status=status))
        finally:
            self._under_way.release()

    def _post(self, number: int) -> int:
        body = {**self._load.body, "prompt": f"single mug {self._load.name} {number}"}
        answer = self._pool.request("POST", "/v1/jobs", json=body)
        if answer.status < 300:
            self._known = answer.json()["id"]
        return answer.status

    def _get(self) -> int:
        return self._pool.request("GET", f"/v1/jobs/{self._known}").status


def generate(load: Load, told: Connection) -> None:
    """Be a process that sends: says "ready", begins when told, ends when told, gives samples."""
    with connection_from_url(
        load.url,
        maxsize=IN_FLIGHT,
        headers=load.headers,
        timeout=TIMEOUT_SECONDS,
        retries=False,
    ) as pool:
        generator = Generator(load, pool)
        generator.begin()
        told.send("ready")
        told.recv()
        generator.run(told)
        told.recv()
        told.send(generator.samples)


@contextmanager
def sending(load: Load) -> Iterator[list[Sample]]:
    """Send requests from a process of its own while the block runs; samples are there after it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=generate, args=(load, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its end is noticed here
    samples: list[Sample] = []
    try:
        ours.recv()
        ours.send("begin")
        yield samples
        ours.send("end")
        samples += ours.recv()
    finally:
        process.kill()
        process.join()


def latencies(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Return p50 and p99 of what was answered, in milliseconds, by kind."""
    seconds: dict[str, list[float]] = {}
    for one in samples:
        if one.status > 0:
            seconds.setdefault(one.kind, []).append(one.seconds)
    return {
        kind: {f"p{percent}_ms": 1000 * percentile(found, percent) for percent in (50, 99)}
        for kind, found in seconds.items()
    }
