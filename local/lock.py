"""One stack at a time on one home folder."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.errors import AlreadyRunningError
from local.secret import write_private

LEFTOVER_SECONDS = 20.0
"""How long the children of a killed supervisor may take to end: Postgres writes a checkpoint."""


class HomeLock:
    """Two `flock`s in the home folder, which the kernel frees however their holders end.

    `stack.lock` belongs to the supervisor alone. `children.lock` is inherited by every child, so
    it stays locked until the last process of an earlier stack is gone.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._stack: int | None = None
        self._children: int | None = None

    def acquire(self) -> int:
        """Acquire both locks; return the descriptor that the children inherit.

        Raises:
            AlreadyRunningError: A stack runs on this folder, or left processes behind.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self._stack = self._open("stack.lock")
        if not _try_lock(self._stack):
            self.release()
            raise AlreadyRunningError(_sentence(self.home))
        self._children = self._open("children.lock")
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while not _try_lock(self._children):
            if time.monotonic() > deadline:
                self.release()
                raise AlreadyRunningError(
                    f"Processes of an earlier stack still use {self.home}; "
                    "end them (their logs are in its folder logs/) and try again."
                )
            time.sleep(0.05)
        return self._children

    def describe(self, record: Mapping[str, Any]) -> None:
        """Write down who runs, for a second `up` and for other commands; it may hold passwords."""
        write_private(
            self.home / "stack.json", json.dumps({"pid": os.getpid(), **record}, indent=2)
        )

    def release(self) -> None:
        """Release both locks."""
        if self._children is not None:
            (self.home / "stack.json").unlink(missing_ok=True)
        for descriptor in (self._children, self._stack):
            if descriptor is not None:
                os.close(descriptor)
        self._stack = self._children = None

    def _open(self, name: str) -> int:
        return os.open(self.home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def running(home: Path) -> dict[str, Any] | None:
    """Return what the stack that runs on `home` noted about itself, or None when none runs."""
    try:
        descriptor = os.open(home / "stack.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _try_lock(descriptor):
            return None
    finally:
        os.close(descriptor)
    with contextlib.suppress(FileNotFoundError, ValueError):
        record: dict[str, Any] = json.loads((home / "stack.json").read_text())
        return record
    return {}  # it is about to start or to stop


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sentence(home: Path) -> str:
    record = running(home) or {}
    who = f" (process {record['pid']})" if "pid" in record else ""
    urls = "".join(f"\n  {name}: {url}" for name, url in record.get("urls", {}).items())
    return (
        f"packshot already runs on {home}{who}.{urls}\n"
        "Use that one, stop it, or choose another folder with PACKSHOT_HOME."
    )
