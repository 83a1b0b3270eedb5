"""How often, and how many times at once, one host is asked: a shop's server is not ours to load."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LONGEST_REST = 600.0
"""Seconds that a host's word to come later is heeded, at most."""


@dataclass
class _Host:
    places: asyncio.Semaphore
    next_at: float = 0.0
    """When it may be asked again, by the monotonic clock."""
    users: int = field(default=0)


class HostRestsError(Exception):
    """The host said to come later, and that is after the time that there is."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        """After how many it may be asked again."""


class Politeness:
    """Paces requests to one host; those to other hosts do not wait for them.

    Only one event loop's thread uses it. Each process has its own.
    """

    def __init__(self, *, at_once: int, pause_seconds: float) -> None:
        """Begin without any host.

        Args:
            at_once: Requests to one host at the same time.
            pause_seconds: Between the beginnings of two.
        """
        self._at_once = at_once
        self._pause_seconds = pause_seconds
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def visit(self, name: str, *, until: float) -> AsyncIterator[None]:
        """Wait for a host's turn, and hold one of its places for one request.

        Args:
            name: The host's.
            until: When the request has to be over, by the monotonic clock.

        Raises:
            HostRestsError: Its turn comes too late.
            TimeoutError: Its places did not get free in time.
        """
        host = self._host(name)
        host.users += 1
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await host.places.acquire()
            try:
                await self._wait(host, until)
                yield
            finally:
                host.places.release()
        finally:
            host.users -= 1

    def rest(self, name: str, *, seconds: float) -> None:
        """Send a host nothing for a while: it said so."""
        host = self._host(name)
        until = time.monotonic() + min(seconds, LONGEST_REST)
        host.next_at = max(host.next_at, until)

    async def _wait(self, host: _Host, until: float) -> None:
        now = time.monotonic()
        start = max(now, host.next_at)
        if start >= until:
            raise HostRestsError(start - now)
        # Taken before the wait: the next one's turn is behind this one's.
        host.next_at = start + self._pause_seconds
        await asyncio.sleep(start - now)

    def _host(self, name: str) -> _Host:
        if name not in self._hosts:
            self._forget_old()
            self._hosts[name] = _Host(places=asyncio.Semaphore(self._at_once))
        return self._hosts[name]

    def _forget_old(self) -> None:
        now = time.monotonic()
        for name, host in list(self._hosts.items()):
            if not host.users and host.next_at <= now:
                del self._hosts[name]
