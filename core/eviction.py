"""A map in memory with budgets, and the policies that choose what leaves it."""

import random
import threading
import time
from collections.abc import Callable, Hashable
from enum import StrEnum
from typing import Any, Generic, TypeVar

from cachetools import Cache, FIFOCache, LFUCache, LRUCache, RRCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Policy(StrEnum):
    """What leaves first when a budget is full."""

    LRU = "lru"
    """What was used least recently."""
    LFU = "lfu"
    """What was used least often; of several, what was used least recently."""
    FIFO = "fifo"
    """What came first."""
    LIFO = "lifo"
    """What came last: the oldest stay for ever."""
    RANDOM = "random"
    """Anything."""


class LIFOCache(Cache[K, V]):
    """Last in, first out; cachetools had one until its version 5."""

    def __init__(self, maxsize: float, getsizeof: Callable[[V], float] | None = None) -> None:
        super().__init__(maxsize, getsizeof)
        self._order: dict[K, None] = {}

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self._order.pop(key, None)
        self._order[key] = None

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        del self._order[key]

    def popitem(self) -> tuple[K, V]:
        """Remove and return what was inserted last.

        Raises:
            KeyError: It is empty.
        """
        if not self._order:
            raise KeyError("LIFOCache is empty")
        key = next(reversed(self._order))
        return key, self.pop(key)


class _CacheEntry(Generic[V]):
    __slots__ = ("expires", "size", "value")

    def __init__(self, value: V, size: int, expires: float) -> None:
        self.value = value
        self.size = size
        self.expires = expires


def _size(entry: _CacheEntry[Any]) -> int:
    return entry.size


_CACHES: dict[Policy, Callable[[int, random.Random], Cache[Any, Any]]] = {
    Policy.LRU: lambda size, _: LRUCache(size, _size),
    Policy.LFU: lambda size, _: LFUCache(size, _size),
    Policy.FIFO: lambda size, _: FIFOCache(size, _size),
    Policy.LIFO: lambda size, _: LIFOCache(size, _size),
    Policy.RANDOM: lambda size, chance: RRCache(size, chance.choice, _size),
}


class BoundedMap(Generic[K, V]):
    """At most so many entries and bytes, each for at most so long; any thread may call it."""

    def __init__(
        self,
        *,
        policy: Policy,
        max_bytes: int,
        max_entries: int,
        ttl_seconds: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        """Make an empty one.

        Args:
            policy: What leaves first.
            max_bytes: Budget of the sizes that `put` is told.
            max_entries: Budget of entries.
            ttl_seconds: Life of an entry from its `put`; an elapsed time, so that a clock that
                is set to another hour changes nothing.
            clock: Gives seconds that never run backwards.
            chance: What the random policy draws from.
        """
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self.evictions = 0
        self._ttl = ttl_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._cache = _CACHES[policy](max_bytes, chance or random.Random())  # noqa: S311

    def get(self, key: K) -> V | None:
        """Return what is there, which counts as a use; None when nothing is."""
        with self._lock:
            entry: _CacheEntry[V] | None = self._cache.get(key)
            if entry is None:
                return None
            if entry.expires <= self._clock():
                del self._cache[key]
                return None
            return entry.value

    def put(self, key: K, value: V, *, size: int) -> None:
        """Keep a value; one that is larger than a budget is not kept."""
        entry = _CacheEntry(value, size, self._clock() + self._ttl)
        with self._lock:
            self._cache.pop(key, None)
            if size > self.max_bytes or self.max_entries < 1:
                return
            while len(self) >= self.max_entries or self.size + size > self.max_bytes:
                self._cache.popitem()
                self.evictions += 1
            self._cache[key] = entry

    def __len__(self) -> int:
        return len(self._cache)

    @property
    def size(self) -> int:
        """Return the bytes held."""
        return int(self._cache.currsize)
