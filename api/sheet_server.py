"""`python -m api.sheet_server SOCKET`: the application once more, for sheets alone.

SOCKET is the number of a listening socket that was inherited. It ends with whoever started it:
when its standard input does.
"""

import os
import socket
import sys
import threading

from api.app import create_app
from api.server import Server, make_server
from core import logs
from core.settings import get_settings

NICENESS = 5
"""Whoever waits for a single answer goes before whoever sends a sheet."""


def main() -> None:
    """Serve until standard input ends, or a signal comes."""
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    os.nice(NICENESS)
    # Whoever passes the answer on writes headers of its own.
    server = make_server(create_app(settings), settings, server_header=False, date_header=False)
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        server.run(sockets=[listener])


def _end_with_parent(server: Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
