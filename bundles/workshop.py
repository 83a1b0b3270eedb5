"""Where a bundle is built: beside its place, so that a reader never sees half of one."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import BundleError

BUILDING = ".building"
"""How the folders end in which bundles are built."""


class Workshop:
    """A hidden folder beside the bundle's own, kept when the work is interrupted.

    What was finished before is there again when the same bundle is built the next time; for
    another source or other options everything begins anew. A context manager: on leaving it with a
    BundleError, which would come again, nothing is kept.
    """

    def __init__(self, target: Path, key: str) -> None:
        """Name the work.

        Args:
            target: The bundle's folder.
            key: Of everything that decides what the parts become.
        """
        self.target = target
        self.key = key
        self.folder = target.with_name(f".{target.name}{BUILDING}")
        self.bundle = self.folder / "bundle"
        """Becomes the bundle."""
        self.scratch = self.folder / "scratch"
        """For what should survive an interruption, but is no part of the bundle."""
        self._old = self.folder / "old"
        """The bundle that is being replaced."""
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Lock the folder for this process.

        Raises:
            BundleError: Another process builds this bundle.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._take(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._release()
            raise BundleError(
                f"{self.target} is being built by another process. Wait for it, or end it."
            ) from None
        self._put_back()
        self._forget_other_work()
        self.bundle.mkdir(exist_ok=True)
        self.scratch.mkdir(exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, BundleError):
            self._remove()
        self._release()

    def has(self, part: str) -> bool:
        """Check whether a part of the bundle is finished."""
        return (self.bundle / part).exists()

    @contextmanager
    def part(self, name: str) -> Iterator[Path]:
        """Yield a folder to make a part in; it becomes part of the bundle when all went well."""
        aside = self.folder / f"{name}.part"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        yield aside
        aside.replace(self.bundle / name)

    def finish(self) -> None:
        """Move the bundle to its place; a reader sees the old one or the new one, never a mix.

        Two renames: for a moment there is none. Whoever misses it then, or after a process that was
        killed then, calls `recover`.
        """
        if self.target.exists():
            self.target.replace(self._old)
        self.bundle.replace(self.target)
        self._remove()

    def discard(self) -> None:
        """Remove what was made: it was needed for as long as the work lasted."""
        self._remove()

    def recover(self) -> None:
        """Restore the old bundle if a process was killed while replacing it."""
        if not self._old.exists():
            return
        try:
            # Whoever is between the two renames now is waited for.
            self._take(fcntl.LOCK_EX)
            self._put_back()
        except OSError:
            # The other has cleaned up meanwhile, or nothing can be written here.
            return
        finally:
            self._release()

    def _take(self, how: int) -> None:
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._lock, how)

    def _put_back(self) -> None:
        """Undo half of `finish`, or clean up after all of it."""
        if self.target.exists():
            shutil.rmtree(self._old, ignore_errors=True)
        elif self._old.exists():
            self._old.replace(self.target)

    def _forget_other_work(self) -> None:
        note = self.folder / "key"
        if note.is_file() and note.read_text(encoding="utf-8") == self.key:
            return
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        note.write_text(self.key, encoding="utf-8")

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def recover(folder: Path) -> None:
    """Restore the bundles in a folder that a killed process was just replacing.

    Args:
        folder: That of several bundles; it need not exist.
    """
    for building in folder.glob(f".*{BUILDING}"):
        target = building.with_name(building.name[1:].removesuffix(BUILDING))
        Workshop(target, key="").recover()
