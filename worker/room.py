"""How many images of photographs are under way, each with a thread that waits."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from core.domain.photograph_spec import PROMPTED, ImageMode


class WaitingRoom:
    """Counts what is under way at the same time."""

    def __init__(self, most: int) -> None:
        """Make it.

        Args:
            most: Images that are under way at the same time.
        """
        self.most = most
        self._lock = threading.Lock()
        self._under_way = 0

    @property
    def is_free(self) -> bool:
        """Whether there is room for one more."""
        return self._under_way < self.most

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count one more while the block runs."""
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1


class PromptedRoom(WaitingRoom):
    """Counts images whose threads wait for servers and the engine; texts shall not feel them."""

    def without(self) -> Collection[ImageMode]:
        """Return the modes that there is no room for now: all that are counted, or none."""
        return () if self.is_free else PROMPTED
