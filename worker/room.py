"""How many images of photographs and prompts are under way, each with a thread that waits."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from core.domain.photograph_spec import PROMPTED, ImageMode


class PromptedRoom:
    """Counts images whose threads wait for servers and the engine; texts shall not feel them."""

    def __init__(self, most: int) -> None:
        """Make it.

        Args:
            most: Images that are under way at the same time.
        """
        self.most = most
        self._lock = threading.Lock()
        self._under_way = 0

    def without(self) -> Collection[ImageMode]:
        """Return the modes that there is no room for now: all that are counted, or none."""
        return () if self._under_way < self.most else PROMPTED

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
