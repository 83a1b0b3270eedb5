"""A process of its own for sheets, started and watched over.

Reading a large sheet takes seconds of an interpreter, which the threads of a process share: in the
API's own it would stand in the way of every other request (decision 0020).
"""

import logging
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

SHORT_LIFE_SECONDS = 5.0
PAUSE_SECONDS = 5.0
"""Between two starts when it ends as soon as it is started."""
STOP_SECONDS = 2.0
"""What it still does then is for nobody: the API has ended its requests before."""

logger = logging.getLogger("packshot.api")


class SheetProcess:
    """Runs `api.sheet_server` while it is entered, again when it ended.

    The listening socket is ours, so connections that come before it serves, or between its end
    and its next start, wait in the socket's queue.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._popen: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="sheet-process", daemon=True)
        self._short_lives = 0

    @property
    def fails(self) -> bool:
        """Whether it ends as soon as it is started, again and again."""
        return self._short_lives > 1

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        popen = self._popen
        if popen is not None:
            _end(popen)
        self._thread.join()
        self._listener.close()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            code = self._live()
            if self._stopping.is_set():
                return
            logger.warning("The process for sheets ended (exit code %s); starting it again.", code)
            if self.fails:
                self._stopping.wait(PAUSE_SECONDS)

    def _live(self) -> int:
        """Run it until it ends; give its exit code."""
        number = self._listener.fileno()
        with subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "api.sheet_server", str(number)],
            # It reads nothing, but notices our end.
            stdin=subprocess.PIPE,
            pass_fds=[number],
        ) as self._popen:
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(SHORT_LIFE_SECONDS)
            short = self._popen.returncode is not None
            self._short_lives = self._short_lives + 1 if short else 0
            return self._popen.wait()


def _end(popen: subprocess.Popen[bytes]) -> None:
    if popen.stdin is not None:
        popen.stdin.close()
    try:
        popen.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        popen.kill()
