"""The HTTP server, as each process of an API runs it."""

import socket
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.server_process import ServerProcess
from core.settings import Settings
from core.startup import freeze_gc

GRACE_SECONDS = 8
"""How long requests have to end: publishing that is not finished then is the sweeper's."""
MOMENT_SECONDS = 2.0
"""More than that, for a process to end in."""


class Server(uvicorn.Server):
    """Uvicorn, whose process is settled once it serves, and may have others."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        beside: Sequence[ServerProcess] = (),
        behind: Sequence[ServerProcess] = (),
    ) -> None:
        """Make a server.

        Args:
            config: Uvicorn's.
            beside: Processes that answer requests as this one does, on the same socket.
            behind: Processes that this one passes requests on to.
        """
        super().__init__(config)
        self._beside = beside
        self._behind = behind

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open everything and listen, and only then start the others: the first answer is soon."""
        await super().startup(sockets=sockets)
        freeze_gc()
        if self.started and not self.should_exit:
            for process in (*self._behind, *self._beside):
                process.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the requests of this process and of those beside it, then end all of them."""
        for process in self._beside:
            process.stop()
        await super().shutdown(sockets=sockets)
        for process in self._beside:
            process.end(GRACE_SECONDS + MOMENT_SECONDS)
        # Only now: those had passed requests on to them, too.
        for process in self._behind:
            process.end(MOMENT_SECONDS)


def make_server(
    app: FastAPI,
    settings: Settings,
    *,
    beside: Sequence[ServerProcess] = (),
    behind: Sequence[ServerProcess] = (),
    **options: Any,
) -> Server:
    """Make a server.

    Args:
        app: What it serves.
        settings: For its log.
        beside: Processes that answer requests as this one does, on the same socket.
        behind: Processes that this one passes requests on to.
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
        timeout_graceful_shutdown=GRACE_SECONDS,
        **options,
    )
    return Server(config, beside=beside, behind=behind)
