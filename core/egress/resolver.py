"""Names looked up in threads of their own: the system's resolver cannot be interrupted."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from core.egress.addresses import Address, read_address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Resolves a host and port to its addresses, best first; raises OSError if there are none."""

THREADS_PER_REQUEST = 2
"""Threads for each request that may be sent at the same time.

A name whose servers do not answer keeps its thread for half a minute, longer than the request that
asked has patience: the next requests must not wait for it.
"""


class SystemResolver:
    """The machine's resolver; requests that ask for the same name together share one look-up."""

    def __init__(self, *, at_once: int = 64) -> None:
        """Start threads only when they are needed.

        Args:
            at_once: Requests at the same time.
        """
        self._threads = ThreadPoolExecutor(
            THREADS_PER_REQUEST * at_once, thread_name_prefix="resolver"
        )
        self._running: dict[tuple[str, int], asyncio.Future[Sequence[Address]]] = {}

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Resolve a name.

        Raises:
            OSError: It has no address.
        """
        found = self._running.get((host, port))
        if found is None:
            loop = asyncio.get_running_loop()
            found = loop.run_in_executor(self._threads, _look_up, host, port)
            self._running[host, port] = found
            found.add_done_callback(lambda ended: self._forget((host, port), ended))
        # Who gives up does not end what others wait for.
        return list(dict.fromkeys(await asyncio.shield(found)))

    def _forget(self, name: tuple[str, int], ended: asyncio.Future[Sequence[Address]]) -> None:
        del self._running[name]
        if not ended.cancelled():
            ended.exception()  # nobody may be left to be told

    def close(self) -> None:
        """Release the threads, without waiting for look-ups that run."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> Sequence[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [read_address(str(place[0])) for *_, place in found]
