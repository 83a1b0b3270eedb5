"""A TCP proxy between a client and a server, which can swallow what it is sent, or be slow."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class Wire:
    """One address that leads to another."""

    def __init__(self, port: int) -> None:
        self.swallows = False
        """Whether what comes is taken and not passed on, in either direction."""
        self.pause_seconds = 0.0
        """Before each portion of at most 16 KiB is passed on."""
        self._to = ("127.0.0.1", port)
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while portion := source.recv(16 * 1024):
                if self.pause_seconds:
                    time.sleep(self.pause_seconds)
                if not self.swallows:
                    sink.sendall(portion)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for one in (self._listener, *self._sockets):
            one.close()


@contextlib.contextmanager
def wire(port: int) -> Iterator[Wire]:
    """Lead to a port of this machine while the block runs."""
    opened = Wire(port)
    try:
        yield opened
    finally:
        opened.close()
