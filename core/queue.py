"""Celery on Redis, the wake-up: lanes, configuration and the publisher.

A message carries one generation's id and nothing else: Flower shows task arguments.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import redis
from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from core.errors import ServiceDownError
from core.lanes import Lane, Message
from core.settings import Settings

GENERATE = "packshot.generate"
"""Name of the one task."""

_MARKER = "packshot:marker"

LANES: tuple[str, ...] = tuple(lane.value for lane in Lane)


def queue_of(lane: Lane, *, first: bool = False) -> str:
    """Name one of a lane's two queues.

    Tenants with next to nothing in the lane send to the first; a large sheet is sent to the other
    one in small portions (`core.lifecycle.feeding`).
    """
    return f"{lane.value}{_FIRST_SUFFIX}" if first else lane.value


_FIRST_SUFFIX = ".first"

QUEUES: tuple[str, ...] = tuple(
    queue_of(lane, first=first) for lane in Lane for first in (True, False)
)

ORDINARY_SHARE = 4
"""Every so many fetches the ordinary queue of a lane is asked before its first one, so that many
small tenants do not starve a large sheet."""


class LaneCycle:
    """The order in which a worker asks the queues for a message.

    Lanes in their order, but every `share`-th time the last one first, so that it keeps a share
    of the workers however full the others are. kombu's own `priority` strategy is not enough: it
    is handed a set, whose order is not that of the lanes. The interface is kombu's
    (`kombu.utils.scheduling.round_robin_cycle`).
    """

    def __init__(self, *, share: int) -> None:
        self.share = share
        self.turn = 0
        self.queues: list[str] = []

    def update(self, queues: Iterable[str]) -> None:
        """Take the queues that are consumed now."""
        self.queues = list(queues)

    def consume(self, n: int) -> list[str]:
        """Give the first `n` queues to ask, best first."""
        self.turn += 1
        backwards = self.turn % self.share == 0
        ordinary = self.turn % ORDINARY_SHARE == 0

        def rank(queue: str) -> tuple[int, bool]:
            lane = queue.removesuffix(_FIRST_SUFFIX)
            place = LANES.index(lane) if lane in LANES else len(LANES)
            return -place if backwards else place, (lane == queue) is not ordinary

        return sorted(self.queues, key=rank)[:n]

    def rotate(self, last_used: str) -> None:
        """Hear which queue answered; the order does not depend on it."""


@dataclass(frozen=True, kw_only=True)
class LaneOrder:
    """What kombu calls for a `LaneCycle`.

    Not a partial: a worker sends its transport options to who inspects it, Flower for example,
    and kombu turns only what has `__json__` into JSON.
    """

    share: int

    def __call__(self) -> LaneCycle:
        """Make one for a channel."""
        return LaneCycle(share=self.share)

    def __json__(self) -> dict[str, int]:
        """Describe it."""
        return {"lane_share": self.share}


def make_celery(settings: Settings) -> Celery:
    """Configure Celery for this project; nothing connects yet."""
    app = Celery("packshot", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        task_send_sent_event=False,
        task_queues=[Queue(name) for name in QUEUES],
        task_default_queue=Lane.STANDARD.value,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": settings.visibility_timeout,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "queue_order_strategy": LaneOrder(share=settings.lane_share),
            # One Redis list per queue, instead of one per queue and message priority.
            "priority_steps": [0],
            "socket_connect_timeout": settings.connect_timeout,
            # A request never waits for Redis: the sweeper sends what could not be sent.
            "max_retries": 0,
        },
    )
    return app


class Publisher:
    """Sends the messages that wake workers up."""

    def __init__(self, celery: Celery) -> None:
        self.celery = celery

    def publish(self, messages: Iterable[Message]) -> None:
        """Send messages.

        Raises:
            kombu.exceptions.OperationalError: when Redis does not take one.
        """
        with self.celery.producer_or_acquire() as producer:
            for identity, lane, first in messages:
                self.celery.send_task(
                    GENERATE,
                    args=[str(identity)],
                    # The id is the task's too, so Flower and Postgres speak of the same thing.
                    task_id=str(identity),
                    queue=queue_of(lane, first=first),
                    # What Flower shows as its name: the lane is in no event.
                    shadow=f"{GENERATE}.{lane.value}",
                    producer=producer,
                    retry=False,
                )

    def revoke(self, generation_ids: Sequence[UUID]) -> None:
        """Tell workers to drop messages that they have not begun; best effort."""
        if generation_ids:
            self.celery.control.revoke([str(identity) for identity in generation_ids])


class Broker:
    """Redis itself, for what Celery does not ask it."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.broker_url)
        self.address = f"{parts.hostname}:{parts.port or 6379}"
        self.client = redis.Redis.from_url(
            settings.broker_url,
            socket_connect_timeout=settings.connect_timeout,
            socket_timeout=settings.connect_timeout,
        )

    def depth(self, lane: Lane) -> int:
        """Count the messages that wait in a lane, in both of its queues."""
        return sum(self._waiting(lane, first=first) for first in (True, False))

    def empty(self) -> list[tuple[Lane, bool]]:
        """Tell which queues have no message: lanes, and whether it is the first queue."""
        return [
            (lane, first)
            for lane in Lane
            for first in (True, False)
            if not self._waiting(lane, first=first)
        ]

    def _waiting(self, lane: Lane, *, first: bool) -> int:
        return int(self.client.llen(queue_of(lane, first=first)))

    def check(self) -> None:
        """Ask Redis for a sign of life.

        Raises:
            ServiceDownError: naming the address, when it gives none.
        """
        try:
            self.client.ping()
        except redis.RedisError as error:
            raise ServiceDownError(
                f"Redis at {self.address} does not answer ({error}). "
                "Start it, or correct PACKSHOT_BROKER_URL."
            ) from error

    def remembers(self) -> bool:
        """Tell whether Redis still has what it had when `mark` was called."""
        return bool(self.client.exists(_MARKER))

    def mark(self) -> None:
        """Leave a key by which to see that Redis lost its data.

        Only after what was in it is known to be lost (`forget_published`, committed): a sweeper
        that dies in between leaves the loss to be seen by the next one.
        """
        self.client.set(_MARKER, "1")

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


__all__ = [
    "GENERATE",
    "LANES",
    "QUEUES",
    "Broker",
    "LaneCycle",
    "LaneOrder",
    "OperationalError",
    "Publisher",
    "make_celery",
    "queue_of",
]
