"""A file that tells a health check whether a process without a port goes on."""

import os
import time
from collections.abc import Callable
from pathlib import Path


class Heartbeat:
    """The file; it is as old as the work whose last pass ended longest ago."""

    def __init__(self, file: str) -> None:
        """Create a heartbeat.

        Args:
            file: Where it is; empty: nowhere.
        """
        self._file = Path(file) if file else None
        self._ended: dict[int, float] = {}
        """When a pass of each work ended, in seconds since the epoch."""

    def watch(self, work: Callable[[], object]) -> Callable[[], None]:
        """Return the same work, whose passes count from now on, whatever comes of them."""
        number = len(self._ended)
        self._beat(number)

        def watched() -> None:
            try:
                work()
            finally:
                self._beat(number)

        return watched

    def _beat(self, number: int) -> None:
        self._ended[number] = time.time()
        if self._file is not None:
            self._file.touch()
            oldest = min(list(self._ended.values()))
            os.utime(self._file, (oldest, oldest))
