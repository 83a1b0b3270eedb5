"""The memory guard: native libraries may leak, and Celery's threads pool recycles nothing."""

import threading
from collections.abc import Callable

import psutil
import structlog

log = structlog.get_logger(__name__)


class MemoryGuard:
    """Calls for a shutdown once this process holds too much memory."""

    def __init__(
        self, *, limit_mib: int, on_excess: Callable[[], None], interval_seconds: float = 5.0
    ) -> None:
        """Make a guard.

        Args:
            limit_mib: Resident memory in MiB; 0 means any amount.
            on_excess: Called once, from the guard's thread.
            interval_seconds: Pause between two looks.
        """
        self._limit_mib = limit_mib
        self._on_excess = on_excess
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-guard", daemon=True)

    def start(self) -> None:
        """Start looking, if there is a limit."""
        if self._limit_mib:
            self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stopped.set()

    def _run(self) -> None:
        process = psutil.Process()
        while not self._stopped.wait(self._interval_seconds):
            used_mib = process.memory_info().rss / 2**20
            if used_mib > self._limit_mib:
                log.warning(
                    "memory limit reached: stopping after the running images",
                    used_mib=round(used_mib),
                    limit_mib=self._limit_mib,
                )
                self._on_excess()
                return
