"""Requests at a fixed rate, whether or not the answers keep up.

Latencies count from the moment at which a request was to be sent: what waits behind a slow answer
is slow itself, as it is for people (G. Tene, "How NOT to Measure Latency").
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import httpx

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
    headers: Mapping[str, str]
    per_second: float
    every: int
    """One in so many requests is a POST of a new image, the others ask how one stands."""
    body: Mapping[str, Any]
    """A job; each gets a prompt of its own."""


class Generator:
    """Sends one load, on one event loop."""

    def __init__(self, load: Load, client: httpx.AsyncClient) -> None:
        self.samples: list[Sample] = []
        self._load = load
        self._client = client
        self._known = ""
        """A job that can be asked for."""
        self._number = 0

    async def begin(self) -> None:
        """Make the first job, so that there is one to ask for."""
        await self._send(time.monotonic(), "POST")
        self.samples.clear()
        if not self._known:
            raise SystemExit("the API took no job")

    async def run(self, told: Connection) -> None:
        """Send until told to stop; then wait for the answers."""
        begun, number = time.monotonic(), 0
        under_way: set[asyncio.Task[None]] = set()
        while not told.poll():
            at = begun + number / self._load.per_second
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            kind = "GET" if number % self._load.every else "POST"
            number += 1
            if len(under_way) >= IN_FLIGHT:
                self.samples.append(Sample(at=at, kind=kind, seconds=0.0, status=-1))
                continue
            task = asyncio.create_task(self._send(at, kind))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _send(self, at: float, kind: str) -> None:
        status = 0
        with suppress(httpx.TransportError):
            status = await (self._post() if kind == "POST" else self._get())
        seconds = time.monotonic() - at
        self.samples.append(Sample(at=at, kind=kind, seconds=seconds, status=status))

    async def _post(self) -> int:
        self._number += 1
        body = {**self._load.body, "prompt": f"single mug {self._number}"}
        answer = await self._client.post("/v1/jobs", json=body)
        if answer.is_success:
            self._known = answer.json()["id"]
        return answer.status_code

    async def _get(self) -> int:
        answer = await self._client.get(f"/v1/jobs/{self._known}")
        return answer.status_code


async def _serve(load: Load, told: Connection) -> None:
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with httpx.AsyncClient(
        base_url=load.url, headers=load.headers, timeout=TIMEOUT_SECONDS, limits=limits
    ) as client:
        generator = Generator(load, client)
        await generator.begin()
        told.send("ready")
        told.recv()
        await generator.run(told)
        told.recv()
        told.send(generator.samples)


def generate(load: Load, told: Connection) -> None:
    """Be a process that sends: says "ready", begins when told, ends when told, gives samples."""
    asyncio.run(_serve(load, told))
