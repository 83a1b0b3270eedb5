"""Places: what is sent at the same time, and to whom more may be sent; pure.

A receiver that does not answer holds its place until the timeout. So a queue begins with one
attempt, may have several after one that was answered, and one again after one that was not; and a
tenant that has a quarter of all places gets no more, however many addresses it names.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping
from uuid import UUID

from core.webhooks.deliveries import Message

REMEMBERED = 1000
"""Queues that are known to answer; one that is forgotten begins with one attempt again."""


class Places:
    """The places of one deliverer."""

    def __init__(self, *, at_once: int, each: int) -> None:
        """Share them out.

        Args:
            at_once: All places.
            each: Most of one queue.
        """
        self._each = each
        self._share = max(1, at_once // 4)
        self.most = max(1, at_once // 8)
        """How many may be taken until `full` is asked again: a tenant may get past its quarter by
        so many."""
        self._queues: Counter[UUID] = Counter()
        self._tenants: Counter[str] = Counter()
        self._answering: OrderedDict[UUID, None] = OrderedDict()
        """Queues whose last attempt was answered, those that were heard of last at the end."""
        self._paused: dict[UUID, float] = {}
        """Until when queues are left alone."""

    @property
    def full(self) -> Collection[str]:
        """The tenants that have enough."""
        return [tenant for tenant, number in self._tenants.items() if number >= self._share]

    def free(self, *, now: float) -> Mapping[UUID, int]:
        """Tell how many more may be sent to the queues that are known; to all others it is one.

        Args:
            now: Seconds, by the clock of `pause`.
        """
        self._paused = {queue: until for queue, until in self._paused.items() if until > now}
        known = {
            queue: (self._each if queue in self._answering else 1) - self._queues[queue]
            for queue in {*self._queues, *self._answering}
        }
        return known | dict.fromkeys(self._paused, 0)

    def begin(self, message: Message) -> None:
        """Note that a message is being sent."""
        self._queues[message.queue] += 1
        self._tenants[message.tenant] += 1

    def end(self, message: Message, *, answered: bool) -> None:
        """Note that it is sent no more, and whether there was any answer."""
        # A difference keeps nobody that has none left.
        self._queues -= Counter([message.queue])
        self._tenants -= Counter([message.tenant])
        self._answering.pop(message.queue, None)
        if answered:
            self._answering[message.queue] = None
            if len(self._answering) > REMEMBERED:
                self._answering.popitem(last=False)

    def pause(self, queue: UUID, *, until: float) -> None:
        """Leave a queue alone until a moment."""
        self._paused[queue] = until
