"""Further processes of an API, started and watched over by the first one (decision 0020)."""

import logging
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

SHORT_LIFE_SECONDS = 20.0
PAUSE_SECONDS = 5.0
"""Between two starts when it ends as soon as it is started."""
MOMENT_SECONDS = 0.5
"""After its end: Ctrl-C in a terminal reaches it too, and may reach it first."""

logger = logging.getLogger("packshot.api")


class ServerProcess:
    """Runs a module that serves on a listening socket of ours, again when it ended.

    Connections that come before it serves, or between its end and its next start, wait in the
    socket's queue, or are taken by others who serve on it.
    """

    def __init__(self, module: str, listener: socket.socket, *arguments: str) -> None:
        """Make one; nothing runs yet.

        Args:
            module: Run as `python -m MODULE SOCKET ARGUMENTS`, SOCKET the number that the listener
                has in it too. It must end when its standard input does.
            listener: Whoever gave it closes it, after `end`.
            arguments: For the module.
        """
        self.module = module
        self.listener = listener
        self._arguments = arguments
        self._popen: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._stopped_at = 0.0
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name=module, daemon=True)
        self._short_lives = 0

    def start(self) -> None:
        """Start it, without waiting until it serves."""
        self._thread.start()

    def stop(self) -> None:
        """Let it take no more requests, and end when it has answered those it has."""
        with self._changing:
            if not self._stopping.is_set():
                self._stopping.set()
                self._stopped_at = time.monotonic()
            if self._popen is not None and self._popen.stdin is not None:
                self._popen.stdin.close()

    def end(self, seconds: float) -> None:
        """Wait for its end, and kill it where that takes more than so long since `stop`."""
        self.stop()
        if self._thread.ident is None:
            return
        self._thread.join(max(0.0, self._stopped_at + seconds - time.monotonic()))
        if self._popen is not None:
            self._popen.kill()
        self._thread.join()

    def pause(self, seconds: float) -> None:
        """Do nothing for so long, or until it is stopped."""
        self._stopping.wait(seconds)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            try:
                ended = self._live()
            except OSError as error:
                ended = f"cannot be started ({error})"
                self._short_lives += 1
            if self._stopping.wait(MOMENT_SECONDS):
                return
            logger.warning("%s %s; starting it again.", self.module, ended)
            if self._short_lives > 1:
                self.pause(PAUSE_SECONDS)

    def _live(self) -> str:
        """Run it until it ends; say how."""
        popen = self._launch()
        if popen is None:
            return "is to stop"
        with popen:
            with suppress(subprocess.TimeoutExpired):
                popen.wait(SHORT_LIFE_SECONDS)
            self._short_lives = self._short_lives + 1 if popen.returncode is not None else 0
            return f"ended (exit code {popen.wait()})"

    def _launch(self) -> subprocess.Popen[bytes] | None:
        number = self.listener.fileno()
        with self._changing:
            if self._stopping.is_set():
                return None
            self._popen = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", self.module, str(number), *self._arguments],
                # It reads nothing, but notices our end.
                stdin=subprocess.PIPE,
                pass_fds=[number],
            )
            return self._popen


class SheetProcess(ServerProcess):
    """The process that sheets are passed on to, with a socket of its own on loopback.

    Reading a large sheet takes seconds of an interpreter, which the threads of a process share: in
    the API's own it would stand in the way of every other request.
    """

    def __init__(self) -> None:
        super().__init__("api.sheet_server", socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.listener.getsockname()[1]
        return port

    def end(self, seconds: float) -> None:
        """Wait for its end, and kill it where that takes more than so long since `stop`."""
        super().end(seconds)
        self.listener.close()

    def pause(self, seconds: float) -> None:
        """Close the connections that come meanwhile: nobody would answer them."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopping.is_set():
            if select.select([self.listener], [], [], 0.1)[0]:
                with suppress(OSError):
                    self.listener.accept()[0].close()
