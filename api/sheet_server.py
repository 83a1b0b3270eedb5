"""`python -m api.sheet_server SOCKET`: the application once more, for sheets alone.

SOCKET is the number of a listening socket that was inherited. It ends with whoever started it:
when its standard input does.
"""

import os
import socket
import sys
import threading

import uvicorn

from api.app import create_app
from core import logs
from core.settings import get_settings

NICENESS = 5
"""Whoever waits for a single answer goes before whoever sends a sheet."""


def main() -> None:
    """Serve until standard input ends, or a signal comes."""
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    os.nice(NICENESS)
    config = uvicorn.Config(
        create_app(settings),
        log_level=settings.log_level.lower(),
        log_config=None,
        timeout_graceful_shutdown=8,
        # Whoever passes the answer on writes its own.
        server_header=False,
        date_header=False,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        server.run(sockets=[listener])


def _end_with_parent(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
