"""The memory guard: native libraries may leak, and Celery's threads pool recycles nothing."""

import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import structlog

CGROUP = Path("/sys/fs/cgroup")
LIMIT = CGROUP / "memory.max"
"""Where a container sees its own limit (cgroup v2)."""

log = structlog.get_logger(__name__)


def usable_memory(limit: Path = LIMIT) -> int:
    """Return the bytes of memory that the machine has, or the container where it has less."""
    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int(limit.read_text()))
    except (OSError, ValueError):  # there is no container, or no limit
        return total


def free_memory() -> int:
    """Return the bytes of memory that this process may still use, in a container or not."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text()) - _page_cache()
    except (OSError, ValueError):
        return free
    return min(free, max(0, limit - used))


def process_room(limit_mib: int) -> int:
    """Return the bytes that this process may still take, within its limit and what is free.

    Args:
        limit_mib: Resident memory in MiB; 0 means any amount.
    """
    free = free_memory()
    if not limit_mib:
        return free
    return min(free, limit_mib * 2**20 - int(psutil.Process().memory_info().rss))


def _page_cache() -> int:
    """Return the bytes that a container keeps of files: they make room when they must."""
    for line in (CGROUP / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file":
            return int(value)
    return 0


def in_gib(size: int) -> str:
    """Write a number of bytes."""
    return f"{size / 2**30:.1f} GiB"


class MemoryGuard:
    """Calls for a shutdown once this process holds too much memory."""

    def __init__(
        self,
        *,
        limit_mib: int,
        on_excess: Callable[[], None],
        relieve: Callable[[], bool] = lambda: False,
        interval_seconds: float = 5.0,
    ) -> None:
        """Make a guard.

        Args:
            limit_mib: Resident memory in MiB; 0 means any amount.
            on_excess: Called once, from the guard's thread.
            relieve: Frees memory, if it can, before that: it is measured again afterwards.
            interval_seconds: Pause between two looks.
        """
        self._limit_mib = limit_mib
        self._on_excess = on_excess
        self._relieve = relieve
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
            if used_mib > self._limit_mib and not self._relieve():
                log.warning(
                    "memory limit reached: stopping after the running images",
                    used_mib=round(used_mib),
                    limit_mib=self._limit_mib,
                )
                self._on_excess()
                return
