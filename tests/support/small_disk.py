"""A disk that is full when a test says so: a file system in memory."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 320
"""Room for a Postgres with our tables, and as much as packshot leaves free."""


class SmallDisk:
    """A mounted folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    @contextmanager
    def full(self, *, but_bytes: int = 0) -> Iterator[None]:
        """Leave no room, or some bytes of it, while the block runs."""
        self.fill(but_bytes=but_bytes)
        try:
            yield
        finally:
            self.make_room()

    def fill(self, *, but_bytes: int = 0) -> None:
        with self._filler.open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(2**16))
            except OSError:
                pass
            if but_bytes:
                filler.truncate(max(0, filler.tell() - but_bytes))

    def make_room(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount one at a folder, which only root may: the test is skipped for others."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MIB}m,mode=755", "small-disk", str(folder)]
    done = (
        subprocess.run(mount, check=False, capture_output=True, text=True)
        if os.geteuid() == 0
        else None
    )
    if done is None or done.returncode:
        pytest.skip("Only root can mount a small disk" + (f": {done.stderr}" if done else "."))
    try:
        yield SmallDisk(folder)
    finally:
        # At once for us, and really when the last process has closed its files.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
