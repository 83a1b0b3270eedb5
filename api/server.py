"""The HTTP server, as the API and its process for sheets run it."""

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

from core.collection import settle
from core.settings import Settings


class Server(uvicorn.Server):
    """Uvicorn, whose process is settled once it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open everything and listen."""
        await super().startup(sockets=sockets)
        settle()


def make_server(app: FastAPI, settings: Settings, **options: Any) -> Server:
    """Make a server.

    Args:
        app: What it serves.
        settings: For its log.
        options: Further ones of `uvicorn.Config`.
    """
    config = uvicorn.Config(
        app,
        log_level=settings.log_level.lower(),
        # Its lines look like all others.
        log_config=None,
        # Longer than proxies keep a connection that is not used (60 s is usual): who sends on one
        # that is being closed gets no answer.
        timeout_keep_alive=75,
        # Publishing that is not finished then is the sweeper's.
        timeout_graceful_shutdown=8,
        **options,
    )
    return Server(config)
