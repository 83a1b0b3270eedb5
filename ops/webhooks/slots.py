"""Delivery slots: how many attempts of one queue may run at the same time; pure.

A receiver that does not answer holds its slot until the timeout. So a queue has one slot until an
attempt was answered, then several, and one again after an attempt that was not.
"""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

REMEMBERED = 1000
"""Queues that are known to answer; with more of them all begin with one slot again."""


class DeliverySlots:
    """The slots of one deliverer."""

    def __init__(self, *, each: int) -> None:
        """Create slots with nothing in flight.

        Args:
            each: Most slots of one queue.
        """
        self._each = each
        self._in_flight: Counter[UUID] = Counter()
        self._answering: set[UUID] = set()
        """Queues whose last attempt was answered."""
        self._paused: dict[UUID, float] = {}
        """Until when queues are left alone."""

    def free(self, *, now: float) -> Mapping[UUID, int]:
        """Return the free slots of the queues that are known; every other queue has one.

        Args:
            now: Seconds, by the clock of `pause`.
        """
        self._paused = {queue: until for queue, until in self._paused.items() if until > now}
        known = {
            queue: (self._each if queue in self._answering else 1) - self._in_flight[queue]
            for queue in {*self._in_flight, *self._answering}
        }
        return known | dict.fromkeys(self._paused, 0)

    def begin(self, queue: UUID) -> None:
        """Occupy a slot."""
        self._in_flight[queue] += 1

    def end(self, queue: UUID, *, answered: bool) -> None:
        """Release a slot after an attempt that had an answer, or none."""
        # A difference keeps no queue without attempts.
        self._in_flight -= Counter([queue])
        if not answered:
            self._answering.discard(queue)
        elif queue not in self._answering:
            if len(self._answering) >= REMEMBERED:
                self._answering.clear()
            self._answering.add(queue)

    def pause(self, queue: UUID, *, until: float) -> None:
        """Pause a queue until a time."""
        self._paused[queue] = until
