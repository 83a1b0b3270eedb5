"""All connections of a server: how many, and which have taken too long (decision 0042)."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from api.process.connection import CUT, TOO_MANY, Connection
from core.settings import Settings

CHECK_SECONDS = 1.0
"""Pause between two looks at all connections: one timer, where each would need several."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a connection may do."""

    connections: int
    header_bytes: int
    header_seconds: float
    keep_alive_seconds: float
    bytes_per_second: int
    drain_bytes: int
    """Most of a body that is read and thrown away, so that its sender comes to read the answer."""

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Read what the operator has decided."""
        return cls(
            connections=settings.max_connections,
            header_bytes=settings.max_header_bytes,
            header_seconds=settings.header_seconds,
            keep_alive_seconds=settings.keep_alive_seconds,
            bytes_per_second=settings.min_bytes_per_second,
            drain_bytes=2 * settings.max_upload_bytes,
        )


class Connections:
    """All connections of one server: makes them, as its `http` protocol, and looks after them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting: dict[Connection, None] = {}
        """Those without a request that is not answered, those that have waited longest first."""
        self._held: set[Connection] = set()
        self._checking = False

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Connection:
        """Make a connection that is not made yet."""
        return Connection(config, server_state, app_state, _loop, connections=self)

    def admit(self, connection: Connection) -> None:
        """Admit a new connection in place of the one that has waited longest."""
        self._held.add(connection)
        if len(self._held) > self.limits.connections:
            oldest = next(iter(self.waiting), None)
            if oldest is None:
                connection.refuse(HTTPStatus.SERVICE_UNAVAILABLE)
                connection.transport.close()
                return
            del self.waiting[oldest]
            CUT.labels(TOO_MANY).inc()
            oldest.transport.close()
        self.waiting[connection] = None
        if not self._checking:
            self._check(connection.loop)

    def forget(self, connection: Connection) -> None:
        """Remove a connection that was closed."""
        self._held.discard(connection)
        self.waiting.pop(connection, None)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._held):
            connection.check(now)
        self._checking = bool(self._held)
        if self._checking:
            loop.call_later(CHECK_SECONDS, self._check, loop)
