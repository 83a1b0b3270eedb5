"""Celery on Redis, the wake-up: lanes, configuration and the publisher.

A message carries one generation's id and nothing else: Flower shows task arguments.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from core.domain.lanes import Lane, Message
from core.settings import Settings

GENERATE = "packshot.generate"
"""Name of the one task."""

LANES: tuple[str, ...] = tuple(lane.value for lane in Lane)


def queue_of(lane: Lane, *, first: bool = False) -> str:
    """Name one of a lane's two queues.

    Keys with next to nothing in the lane send to the first; a large sheet is sent to the other one
    in small portions (`core.lifecycle.feeding`).
    """
    return f"{lane.value}{_FIRST_SUFFIX}" if first else lane.value


_FIRST_SUFFIX = ".first"

QUEUES: tuple[str, ...] = tuple(
    queue_of(lane, first=first) for lane in Lane for first in (True, False)
)

ORDINARY_SHARE = 4
"""Every so many fetches the ordinary queue of a lane is asked before its first one, so that many
small requests do not starve a large sheet."""


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
        """Return the first `n` queues to ask, best first."""
        self.turn += 1
        backwards = self.turn % self.share == 0
        ordinary = self.turn % ORDINARY_SHARE == 0

        def rank(queue: str) -> tuple[int, bool]:
            lane = queue.removesuffix(_FIRST_SUFFIX)
            place = LANES.index(lane) if lane in LANES else len(LANES)
            return -place if backwards else place, (lane == queue) is not ordinary

        return sorted(self.queues, key=rank)[:n]

    def rotate(self, last_used: str) -> None:
        """Note which queue answered; the order does not depend on it."""


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


def _transport_options(settings: Settings) -> dict[str, Any]:
    return {
        # A request never waits for the broker: the sweeper sends what could not be sent.
        "max_retries": 0,
        "visibility_timeout": settings.visibility_timeout,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": LaneOrder(share=settings.lane_share),
        # One Redis list per queue, instead of one per queue and message priority.
        "priority_steps": [0],
        "socket_connect_timeout": settings.connect_timeout,
        # A broker that is stopped takes what it is sent and says nothing.
        "socket_timeout": settings.connect_timeout,
    }


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
        broker_connection_timeout=settings.connect_timeout,
        broker_transport_options=_transport_options(settings),
    )
    return app


class Publisher:
    """Sends the messages that wake workers up."""

    def __init__(self, celery: Celery, *, pause_seconds: float = 0.0) -> None:
        """Make it; it connects when it first sends.

        Args:
            celery: What it sends with.
            pause_seconds: How long nothing is tried after the broker took nothing: each try may
                cost the broker's timeout.
        """
        self.celery = celery
        self._pause_seconds = pause_seconds
        self._paused_until = 0.0

    def publish(self, messages: Iterable[Message]) -> None:
        """Send messages.

        Raises:
            kombu.exceptions.OperationalError: The broker does not take one, or has just not.
        """
        with self._pausing():
            self._send(messages)

    @contextmanager
    def _pausing(self) -> Iterator[None]:
        if time.monotonic() < self._paused_until:
            raise OperationalError("it took nothing a moment ago")
        try:
            yield
        except Exception:
            self._paused_until = time.monotonic() + self._pause_seconds
            raise

    def _send(self, messages: Iterable[Message]) -> None:
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
        """Ask workers to drop messages that they have not begun; best effort."""
        if not generation_ids:
            return
        with self._pausing():
            self.celery.control.revoke([str(identity) for identity in generation_ids])


__all__ = [
    "GENERATE",
    "LANES",
    "QUEUES",
    "LaneCycle",
    "LaneOrder",
    "OperationalError",
    "Publisher",
    "make_celery",
    "queue_of",
]
