"""Work that several threads want at the same moment, done by one of them."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Flights(Generic[Value]):
    """Does each thing once for all who ask while it is being done; afterwards it is forgotten."""

    def __init__(self, *, own: tuple[type[Exception], ...] = ()) -> None:
        """Make it.

        Args:
            own: Errors that concern whoever did the work, and nobody else: of those who waited one
                does it anew. All others are everybody's.
        """
        self._own = own
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[Value]] = {}

    def run(
        self, key: Hashable, work: Callable[[], Value], *, check: Callable[[], None]
    ) -> tuple[Value, bool]:
        """Do the work, or wait for who does it.

        Args:
            key: What tells it from other work.
            work: It; whatever it raises is raised.
            check: Raises where the caller has no use for it any more; asked before each try.

        Returns:
            What it gave, and whether it was done by this call.
        """
        while True:
            check()
            mine: Future[Value] = Future()
            with self._lock:
                theirs = self._under_way.setdefault(key, mine)
            if theirs is mine:
                return self._do(key, work, mine), True
            try:
                return theirs.result(), False
            except self._own:
                continue

    def _do(self, key: Hashable, work: Callable[[], Value], mine: Future[Value]) -> Value:
        try:
            value = work()
        except BaseException as error:
            self._forget(key)
            mine.set_exception(error)
            raise
        # Forgotten first: who comes now finds in store what was done, or does it again.
        self._forget(key)
        mine.set_result(value)
        return value

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            del self._under_way[key]
