"""Serving on an inherited socket, for as long as whoever started this process wants."""

import os
import socket
import threading
from contextlib import suppress

from api.server import Server


def serve_inherited(server: Server, number: int) -> None:
    """Serve until standard input ends, or a signal comes.

    Args:
        server: What answers.
        number: Of the listening socket, as this process inherited it.
    """
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    with socket.socket(fileno=number) as listener, suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _end_with_input(server: Server) -> None:
    # Not sys.stdin: Python cannot end while a thread waits there.
    while os.read(0, 1):
        pass
    server.should_exit = True
