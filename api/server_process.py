"""Further processes of an API, started and watched over by the first one (decision 0020)."""

import logging
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

SHORT_LIFE_SECONDS = 5.0
PAUSE_SECONDS = 5.0
"""Between two starts when it ends as soon as it is started."""
STOP_SECONDS = 2.0
"""What it still does then is for nobody: the API has ended its requests before."""

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
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name=module, daemon=True)
        self._short_lives = 0

    def start(self) -> None:
        """Start it, without waiting until it serves."""
        self._thread.start()

    def stop(self) -> None:
        """Let it take no more requests, and end when it has answered those it has."""
        with self._changing:
            self._stopping.set()
            if self._popen is not None and self._popen.stdin is not None:
                self._popen.stdin.close()

    def end(self) -> None:
        """Wait for its end, after `stop`, and kill it where that takes too long."""
        self.stop()
        self._thread.join(STOP_SECONDS)
        if self._popen is not None:
            self._popen.kill()
        self._thread.join()

    def pause(self, seconds: float) -> None:
        """Do nothing for so long, or until it is stopped."""
        self._stopping.wait(seconds)

    def _keep(self) -> None:
        while True:
            popen = self._launch()
            if popen is None:
                return
            code = self._wait(popen)
            if self._stopping.is_set():
                return
            logger.warning("%s ended (exit code %s); starting it again.", self.module, code)
            if self._short_lives > 1:
                self.pause(PAUSE_SECONDS)

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
                # Ctrl-C in a terminal is for us, who tell it.
                process_group=0,
            )
            return self._popen

    def _wait(self, popen: subprocess.Popen[bytes]) -> int:
        with popen:
            with suppress(subprocess.TimeoutExpired):
                popen.wait(SHORT_LIFE_SECONDS)
            self._short_lives = self._short_lives + 1 if popen.returncode is not None else 0
            return popen.wait()


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

    def end(self) -> None:
        """Wait for its end, after `stop`, and kill it where that takes too long."""
        super().end()
        self.listener.close()

    def pause(self, seconds: float) -> None:
        """Close the connections that come meanwhile: nobody would answer them."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopping.is_set():
            if select.select([self.listener], [], [], 0.1)[0]:
                with suppress(OSError):
                    self.listener.accept()[0].close()
