"""Names looked up in threads of their own: the system's resolver cannot be interrupted."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from core.outbound.addresses import Address, read_address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Gives the addresses of a host and port, best first; raises OSError when there are none."""

THREADS = 64
"""Look-ups at the same time. A name whose servers do not answer keeps one for half a minute."""


class SystemResolver:
    """The machine's resolver."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolver")

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Look a name up.

        Raises:
            OSError: It has no address.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Let the threads end; nobody waits for look-ups that run."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> Sequence[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [read_address(str(place[0])) for *_, place in found]
