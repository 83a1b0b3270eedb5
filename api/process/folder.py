"""Where an API's processes count together: a folder that goes with the API, however that ends."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "packshot-metrics-"


@contextmanager
def locked_folder() -> Iterator[Path]:
    """Make a temporary folder, and remove those that killed processes have left.

    Each is locked as long as its process lives: the kernel frees that lock in any case.
    """
    _remove_leftovers()
    while True:
        with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            with _locked(folder) as own:
                # Another process may have taken it for a leftover before it was locked.
                if own and folder.exists():
                    yield folder
                    return


def _remove_leftovers() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # Some may be another user's.
        with contextlib.suppress(OSError), _locked(folder) as own:
            if own:
                shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder, and tell whether it was there and free."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
