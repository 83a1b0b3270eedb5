"""Redis itself, for what Celery does not ask it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import redis
from kombu.exceptions import KombuError
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.domain.lanes import Lane
from core.errors import ServiceDownError
from core.queue import queue_of
from core.settings import Settings

_MARKER = "packshot:marker"
_PROBE, _PROBE_SECONDS = "packshot:probe", 60

_REFUSALS = {
    redis.exceptions.OutOfMemoryError: "refuses writes: its memory is full",
    redis.exceptions.ReadOnlyError: "refuses writes: it is a replica",
}

BROKER_ERRORS = (ServiceDownError, KombuError, redis.RedisError, OSError)
"""What asking the broker, or sending through Celery, raises while it is away."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class BrokerMemory:
    """Bytes that Redis uses and may use, and what it does when they are used up."""

    used: int
    limit: int
    """0: there is none."""
    policy: str
    """`maxmemory-policy`; empty where it does not say."""


class Broker:
    """Redis, or what speaks its protocol: a queue is a list, the mark is a key.

    It connects when it is first asked; each method raises ServiceDownError while it is away.
    """

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.broker_url)
        self.address = f"{parts.hostname}:{parts.port or 6379}"
        self._patience = settings.connect_timeout
        self.client = redis.Redis.from_url(
            settings.broker_url,
            socket_connect_timeout=settings.connect_timeout,
            socket_timeout=settings.connect_timeout,
            # Once more where a restart broke the connection; not where it has been waited for.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )

    def depth(self, lane: Lane) -> int:
        """Count the messages that wait in a lane, in both of its queues."""
        return sum(self.waiting(queue_of(lane, first=first)) for first in (True, False))

    def empty(self) -> list[tuple[Lane, bool]]:
        """Return the queues without a message: lanes, and whether it is the first queue."""
        return [
            (lane, first)
            for lane in Lane
            for first in (True, False)
            if not self.waiting(queue_of(lane, first=first))
        ]

    def waiting(self, queue: str) -> int:
        """Count the messages of a queue that no worker has."""
        return self._ask(lambda: int(self.client.llen(queue)))

    def check(self) -> None:
        """Ping."""
        self._ask(self.client.ping)

    def check_writes(self) -> None:
        """Write something: a full memory, or a replica, answers and takes no message."""
        self._ask(lambda: self.client.set(_PROBE, "1", ex=_PROBE_SECONDS))

    def version(self) -> str:
        """Return what it is, with its version: `Valkey 8.0.1`."""
        said = self._ask(lambda: self.client.info("server"))
        # Valkey names the Redis that it is compatible with, too.
        if "valkey_version" in said:
            return f"Valkey {said['valkey_version']}"
        return f"Redis {said.get('redis_version', 'of an unknown version')}"

    def memory(self) -> BrokerMemory:
        """Return what Redis says of its memory."""
        said = self._ask(lambda: self.client.info("memory"))
        return BrokerMemory(
            used=int(said.get("used_memory", 0)),
            limit=int(said.get("maxmemory", 0)),
            policy=str(said.get("maxmemory_policy", "")),
        )

    def remembers(self) -> bool:
        """Return whether the broker still has what it had when `mark` was called."""
        return self._ask(lambda: bool(self.client.exists(_MARKER)))

    def mark(self) -> None:
        """Leave something by which to see that the broker lost its data.

        Only after what was in it is known to be lost (`forget_published`, committed): a sweeper
        that dies in between leaves the loss to be seen by the next one.
        """
        self._ask(lambda: self.client.set(_MARKER, "1"))

    def forget(self) -> None:
        """Remove what `mark` left: the sweeper then sends every message again."""
        self._ask(lambda: self.client.delete(_MARKER))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except redis.ResponseError as error:
            raise ServiceDownError(
                f"Redis at {self.address} refuses ({error}). Give it memory, or name one that "
                "takes writes in PACKSHOT_BROKER_URL.",
                reason=_REFUSALS.get(type(error), "refuses writes"),
            ) from error
        except redis.RedisError as error:
            raise ServiceDownError(
                f"Redis at {self.address} does not answer ({error}). "
                "Start it, or correct PACKSHOT_BROKER_URL.",
                reason=f"no answer in {self._patience:g} s"
                if isinstance(error, redis.TimeoutError)
                else "does not answer",
            ) from error
