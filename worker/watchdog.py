"""The watchdog: a model call that never returns must not hold its jobs for ever."""

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h: the supervisor starts a fresh process."""


def _end_process(reason: str) -> None:
    """End this process at once, with every thread's stack in the log.

    A hung native call cannot be interrupted, and the threads pool of Celery has no time limits.
    The leases run out, and the jobs go to another worker.
    """
    log.critical("%s; ending this process, its images go to another worker", reason)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(EXIT_CODE)


class Watchdog:
    """Watches calls from several threads, and bites when one takes too long."""

    def __init__(
        self, *, limit_seconds: float, on_bite: Callable[[str], None] = _end_process
    ) -> None:
        self._limit = limit_seconds
        self._on_bite = on_bite
        self._lock = threading.Lock()
        self._calls: dict[int, tuple[str, float, float]] = {}
        """By thread: what runs, since when, and how long it may."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start watching, unless the limit is infinite."""
        if self._limit != float("inf"):
            self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    @contextmanager
    def watch(self, name: str, limit_seconds: float | None = None) -> Iterator[None]:
        """Watch the call inside the block, by this thread.

        Args:
            name: What runs, for people.
            limit_seconds: How long it may; None: as long as any call.
        """
        key, limit = threading.get_ident(), self._limit if limit_seconds is None else limit_seconds
        with self._lock:
            self._calls[key] = (name, time.monotonic(), limit)
        try:
            yield
        finally:
            with self._lock:
                del self._calls[key]

    @property
    def computing(self) -> bool:
        """Return whether a call is in progress, and none has taken longer than the limit."""
        now = time.monotonic()
        with self._lock:
            return bool(self._calls) and not self._late(now)

    def bite(self, reason: str) -> None:
        """Run what a call that took too long leads to."""
        self._on_bite(reason)

    def _run(self) -> None:
        while not self._stopped.wait(min(1.0, self._limit / 4)):
            now = time.monotonic()
            with self._lock:
                late = self._late(now)
            if late:
                name, limit = late[0]
                self.bite(f"the {name} has not answered for {limit:.0f} s")
                return

    def _late(self, now: float) -> list[tuple[str, float]]:
        """Name the calls that have taken longer than they may, which the caller's lock keeps."""
        return [(name, limit) for name, since, limit in self._calls.values() if now - since > limit]
