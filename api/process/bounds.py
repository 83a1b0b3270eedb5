"""What a process may take that reads what strangers send: it ends, and not the machine."""

import os
import resource
import sys
import time
from pathlib import Path

NICENESS = 5
"""At least: whoever waits for a single answer goes before whoever sends a sheet or a picture."""


def step_back() -> None:
    """Lower the process's priority, and let it leave no file when the kernel ends it.

    Before there are threads: each has a priority of its own.
    """
    # No file with what is in a sheet is left.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(max(0, NICENESS - os.nice(0)))


def allow_seconds(seconds: int) -> None:
    """Limit the process's CPU seconds: the kernel ends it then, whatever it is in."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + seconds, most))


def limit_memory(size: int) -> None:
    """Limit the bytes that the process may allocate from now on: it fails, not the machine."""
    if sys.platform == "linux":
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (_pages(5) + size, most))


def resident_bytes() -> int:
    """Return the bytes of memory that the process holds."""
    return _pages(1) if sys.platform == "linux" else 0


def _pages(field: int) -> int:
    # proc(5), statm: 1 is what is resident, 5 is data and stack.
    pages = int(Path("/proc/self/statm").read_text().split()[field])
    return pages * resource.getpagesize()
