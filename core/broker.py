"""The broker itself, Redis or RabbitMQ, for what Celery does not ask it."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import redis
from amqp.exceptions import AMQPError, NotFound
from kombu import Connection
from kombu.exceptions import KombuError

from core.domain.lanes import Lane
from core.errors import ServiceDownError
from core.queue import is_rabbitmq, queue_of
from core.settings import Settings

_MARKER = "packshot:marker"

BROKER_ERRORS = (ServiceDownError, KombuError, AMQPError, redis.RedisError, OSError)
"""What asking the broker, or sending through Celery, raises while it is away."""

Answer = TypeVar("Answer")


class Broker(ABC):
    """What both have in common; each method raises ServiceDownError while the broker is away."""

    name: str
    """For people."""

    def __init__(self, settings: Settings, *, port: int) -> None:
        parts = urlsplit(settings.broker_url)
        self.address = f"{parts.hostname}:{parts.port or port}"

    def depth(self, lane: Lane) -> int:
        """Count the messages that wait in a lane, in both of its queues."""
        return sum(self.waiting(queue_of(lane, first=first)) for first in (True, False))

    def empty(self) -> list[tuple[Lane, bool]]:
        """Tell which queues have no message: lanes, and whether it is the first queue."""
        return [
            (lane, first)
            for lane in Lane
            for first in (True, False)
            if not self.waiting(queue_of(lane, first=first))
        ]

    @abstractmethod
    def waiting(self, queue: str) -> int:
        """Count the messages of a queue that no worker has."""

    @abstractmethod
    def check(self) -> None:
        """Ask for a sign of life."""

    @abstractmethod
    def remembers(self) -> bool:
        """Tell whether the broker still has what it had when `mark` was called."""

    @abstractmethod
    def mark(self) -> None:
        """Leave something by which to see that the broker lost its data.

        Only after what was in it is known to be lost (`forget_published`, committed): a sweeper
        that dies in between leaves the loss to be seen by the next one.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def _down(self, error: Exception) -> ServiceDownError:
        return ServiceDownError(
            f"{self.name} at {self.address} does not answer ({error}). "
            "Start it, or correct PACKSHOT_BROKER_URL."
        )


class RedisBroker(Broker):
    """Redis, or what speaks its protocol: a queue is a list, the mark is a key."""

    name = "Redis"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, port=6379)
        self.client = redis.Redis.from_url(
            settings.broker_url,
            socket_connect_timeout=settings.connect_timeout,
            socket_timeout=settings.connect_timeout,
        )

    def waiting(self, queue: str) -> int:
        """Count the messages of a queue that no worker has."""
        return self._ask(lambda: int(self.client.llen(queue)))

    def check(self) -> None:
        """Ask for a sign of life."""
        self._ask(self.client.ping)

    def remembers(self) -> bool:
        """Look for the key."""
        return self._ask(lambda: bool(self.client.exists(_MARKER)))

    def mark(self) -> None:
        """Set the key."""
        self._ask(lambda: self.client.set(_MARKER, "1"))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except redis.RedisError as error:
            raise self._down(error) from error


class RabbitBroker(Broker):
    """RabbitMQ: the mark is a durable queue that nobody sends to."""

    name = "RabbitMQ"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, port=5672)
        self._connection = Connection(
            settings.broker_url,
            connect_timeout=settings.connect_timeout,
            transport_options={
                "read_timeout": settings.connect_timeout,
                "write_timeout": settings.connect_timeout,
            },
        )
        self._asking = threading.Lock()

    def waiting(self, queue: str) -> int:
        """Count the messages of a queue that no worker has; one that is not there has none."""
        declared = self._ask(lambda: self._look(queue))
        return declared or 0

    def check(self) -> None:
        """Ask for a sign of life."""
        self._ask(lambda: self._look(_MARKER))

    def remembers(self) -> bool:
        """Look for the queue."""
        return self._ask(lambda: self._look(_MARKER)) is not None

    def mark(self) -> None:
        """Declare the queue."""
        self._ask(self._declare_marker)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _declare_marker(self) -> None:
        with self._connection.channel() as channel:
            channel.queue_declare(_MARKER, durable=True, auto_delete=False)

    def _look(self, queue: str) -> int | None:
        """Count a queue's messages; None: there is no such queue."""
        with self._connection.channel() as channel:
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except NotFound:
                return None

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask on the open connection, else on a new one: it may have been idle for long."""
        with self._asking:
            if self._connection.connected:
                try:
                    return question()
                except (AMQPError, KombuError, OSError):
                    self._connection.collect()
            try:
                self._connection.connect()
                return question()
            except (AMQPError, KombuError, OSError) as error:
                self._connection.collect()
                raise self._down(error) from error


def open_broker(settings: Settings) -> Broker:
    """Give the one that the settings name; it connects when it is first asked."""
    if is_rabbitmq(settings.broker_url):
        return RabbitBroker(settings)
    return RedisBroker(settings)
