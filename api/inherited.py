"""Serving on an inherited socket, for as long as whoever started this process wants."""

import socket
import sys
import threading

from api.server import Server


def serve_inherited(server: Server, number: int) -> None:
    """Serve until standard input ends, or a signal comes.

    Args:
        server: What answers.
        number: Of the listening socket, as this process inherited it.
    """
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    with socket.socket(fileno=number) as listener:
        server.run(sockets=[listener])


def _end_with_parent(server: Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
