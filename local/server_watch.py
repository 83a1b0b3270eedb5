"""Brings back a server of the stack that ended, a few times."""

import time
from collections.abc import Callable

from local.errors import ProcessFailedError, StackError
from local.ports import is_free
from local.server import Server

QUICK_SECONDS = 60.0
"""An end so soon after a start counts as one that the next start may not help against."""
MOST_QUICK_ENDS = 5
"""One after the other; with the pauses between them, 0.5 s and ever twice as long, 16 s."""


class ServerWatch:
    """A server with its record of early ends."""

    def __init__(self, server: Server, say: Callable[[str], None]) -> None:
        """Watch a server that has started."""
        self._server = server
        self._say = say
        self._started = time.monotonic()
        self._quick_ends = 0
        self._due: float | None = None
        """When to start it again; None while it runs."""

    def check(self) -> None:
        """Check its process once; restart it if it has ended.

        Raises:
            ProcessFailedError: It keeps ending.
        """
        process = self._server.process
        if self._due is None:
            if process is not None and process.exit_code() is not None:
                words = process.last_words()
                process.stop()  # what it started goes with it
                self._schedule(words)
        elif time.monotonic() >= self._due:
            self._start()

    def _start(self) -> None:
        """Start it at the address that its clients know, without waiting: they try again."""
        self._started, self._due = time.monotonic(), None
        try:
            if not is_free(self._server.port):
                raise ProcessFailedError(f"Its port, {self._server.port}, is still in use.")
            self._server.launch()
        except (StackError, OSError) as error:
            # A full disk refuses even the log's folder; there may be room at the next start.
            self._schedule(str(error))

    def _schedule(self, words: str) -> None:
        now, name = time.monotonic(), type(self._server).__name__
        quick = now - self._started < QUICK_SECONDS
        self._quick_ends = self._quick_ends + 1 if quick else 1
        if self._quick_ends > MOST_QUICK_ENDS:
            raise ProcessFailedError(
                f"{name} has ended {self._quick_ends} times, each time soon after its start. "
                f"{words}"
            )
        pause = 0.5 * 2 ** (self._quick_ends - 1)
        self._due = now + pause
        self._say(f"{words}\n{name} is started again in {pause:g} s")
