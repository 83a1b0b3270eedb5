"""A thread that writes to Postgres, now and then, what a process gathered in memory."""

import logging
import threading
from collections.abc import Callable, Sequence

from core.errors import first_line

logger = logging.getLogger("packshot.flusher")


class Flusher:
    """Calls what writes, every few seconds and once at the end."""

    def __init__(self, writers: Sequence[Callable[[], None]], *, seconds: float) -> None:
        """Make it; `start` starts the thread.

        Args:
            writers: Each writes what was gathered since its last call, and keeps what it could
                not write.
            seconds: Between two rounds.
        """
        self._writers = writers
        self._seconds = seconds
        self._stopped = threading.Event()
        self._silent = False
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write the rest and stop."""
        self._stopped.set()
        self._thread.join()

    def flush(self) -> None:
        """Write now; what cannot be written stays in memory for the next time."""
        for write in self._writers:
            try:
                write()
                self._silent = False
            except Exception as error:  # Postgres is away, in whatever way: go on when it is back
                if not self._silent:
                    logger.warning("not written yet: %s", first_line(error))
                self._silent = True

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.flush()
        self.flush()
