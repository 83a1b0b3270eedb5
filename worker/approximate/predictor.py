"""Whether looking for a near prompt is worth it, judged by how often it was of late."""

import threading

from cachetools import LRUCache

PATIENCE = 16
"""Look-ups in vain after which the next ones are thinned out."""

SPARSEST = 8
"""However hopeless a scope, one in so many look-ups is made: its cache may have filled."""

REMEMBERED = 4096
"""Scopes whose past is kept; a forgotten one is looked up again."""


class Predictor:
    """Skips look-ups that are most likely in vain; a hit makes everything worth it again.

    Each scope (one tenant's, one bundle's, of one size and schedule) is judged by itself, so
    nobody's traffic changes what becomes of another tenant's requests.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: LRUCache[tuple[str, str], int] = LRUCache(REMEMBERED)
        self._asked: LRUCache[tuple[str, str], int] = LRUCache(REMEMBERED)

    def worth(self, scope: tuple[str, str]) -> bool:
        """Decide whether to look; call it once for each request.

        Args:
            scope: Tenant and scope.
        """
        with self._lock:
            rounds = self._failures.get(scope, 0) // PATIENCE
            every = min(2**rounds, SPARSEST)
            asked = self._asked.get(scope, 0)
            self._asked[scope] = asked + 1
            return asked % every == 0

    def learn(self, scope: tuple[str, str], *, hit: bool) -> None:
        """Record how a look-up ended."""
        with self._lock:
            self._failures[scope] = 0 if hit else self._failures.get(scope, 0) + 1
