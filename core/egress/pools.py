"""Requests on connections that are kept open, in a pool for each origin."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpcore

from core.egress.url import Destination

CONNECT_SECONDS = 5.0
"""For one address; a host may have several."""


@dataclass
class _Pool:
    connections: httpcore.AsyncConnectionPool
    users: int = 0
    used_at: float = 0.0
    """When the last request ended, by the monotonic clock."""


class OriginPools:
    """Pools of httpcore, one for each scheme, host and port.

    One pool for everything would go through all of its connections several times for each request,
    and for each of them once more: a hundred cost 10 ms.
    """

    def __init__(self, backend: httpcore.AsyncNetworkBackend, *, kept_seconds: float) -> None:
        """Open nothing yet.

        Args:
            backend: What connects.
            kept_seconds: How long a connection without requests stays open.
        """
        self._backend = backend
        self._kept_seconds = kept_seconds
        self._context = httpcore.default_ssl_context()
        self._pools: OrderedDict[str, _Pool] = OrderedDict()
        """By origin, those that were used last at the end."""

    @asynccontextmanager
    async def request(
        self,
        method: str,
        target: Destination,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> AsyncIterator[httpcore.Response]:
        """Send a request, and lend its answer, whose body is read by whom it is lent.

        Args:
            method: POST, for example.
            target: Where to, judged already.
            headers: To send, beside Host.
            body: To send, if any.
        """
        url = httpcore.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        )
        async with (
            self.use(target.origin) as pool,
            pool.stream(
                method,
                url,
                headers=[("Host", target.authority), *headers.items()],
                content=body,
                extensions={"timeout": {"connect": CONNECT_SECONDS}},
            ) as response,
        ):
            yield response

    @asynccontextmanager
    async def use(self, origin: str) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        """Hold the pool of an origin for one request."""
        await self._close_unused()
        if origin not in self._pools:
            self._pools[origin] = _Pool(self._make())
        pool = self._pools[origin]
        pool.users += 1
        try:
            yield pool.connections
        finally:
            pool.users -= 1
            pool.used_at = time.monotonic()
            if origin in self._pools:
                self._pools.move_to_end(origin)

    async def close(self) -> None:
        """Close all connections."""
        while self._pools:
            await self._pools.popitem()[1].connections.aclose()

    async def _close_unused(self) -> None:
        old = time.monotonic() - self._kept_seconds
        while self._pools:
            origin, pool = next(iter(self._pools.items()))
            if pool.users or pool.used_at > old:
                return
            del self._pools[origin]
            await pool.connections.aclose()

    def _make(self) -> httpcore.AsyncConnectionPool:
        return httpcore.AsyncConnectionPool(
            ssl_context=self._context,
            max_connections=None,
            keepalive_expiry=self._kept_seconds,
            network_backend=self._backend,
        )


def headers_of(response: httpcore.Response) -> dict[str, str]:
    """Return an answer's headers: names in lower case; of several with one name, the last."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
    }
