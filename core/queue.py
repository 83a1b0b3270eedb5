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
from core.lanes import Lane
from core.settings import Settings

GENERATE = "packshot.generate"
"""Name of the one task."""

_MARKER = "packshot:marker"

LANES: tuple[str, ...] = tuple(lane.value for lane in Lane)


class LaneCycle:
    """The order in which a worker asks the lanes for a message.

    Lanes in their order, but every `share`-th time the last one first, so that it keeps a share
    of the workers however full the others are. kombu's own `priority` strategy is not enough: it
    is handed a set, whose order is not that of the lanes. The interface is kombu's
    (`kombu.utils.scheduling.round_robin_cycle`).
    """

    def __init__(self, *, share: int) -> None:
        self.share = share
        self.turn = 0
        self.items: list[str] = []

    def update(self, queues: Iterable[str]) -> None:
        """Take the queues that are consumed now."""
        self.items = sorted(queues, key=_rank)

    def consume(self, n: int) -> list[str]:
        """Give the first `n` queues to ask, best first."""
        self.turn += 1
        if self.turn % self.share == 0:
            return self.items[::-1][:n]
        return self.items[:n]

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


def _rank(queue: str) -> int:
    return LANES.index(queue) if queue in LANES else len(LANES)


def make_celery(settings: Settings) -> Celery:
    """Configure Celery for this project; nothing connects yet."""
    app = Celery("packshot", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        task_send_sent_event=False,
        task_queues=[Queue(lane) for lane in LANES],
        task_default_queue=Lane.STANDARD.value,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": settings.visibility_timeout,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "queue_order_strategy": LaneOrder(share=settings.lane_share),
            # One Redis list per lane, instead of one per lane and message priority.
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

    def publish(self, generations: Iterable[tuple[UUID, Lane]]) -> None:
        """Send one message per generation.

        Raises:
            kombu.exceptions.OperationalError: when Redis does not take one.
        """
        with self.celery.producer_or_acquire() as producer:
            for identity, lane in generations:
                self.celery.send_task(
                    GENERATE,
                    args=[str(identity)],
                    # The id is the task's too, so Flower and Postgres speak of the same thing.
                    task_id=str(identity),
                    queue=lane.value,
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
        """Count the messages that wait in a lane."""
        return int(self.client.llen(lane.value))

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
    "Broker",
    "LaneCycle",
    "LaneOrder",
    "OperationalError",
    "Publisher",
    "make_celery",
]
