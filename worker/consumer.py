"""Celery's worker in this process, as this project wants it."""

from typing import Any

from celery.apps.worker import Worker
from celery.worker.consumer import Consumer as CeleryConsumer

EVENT_SECONDS = 0.5
"""How late Flower hears of a task, at most: long enough for a busy worker's events to share a
message, which otherwise costs more than the rest of Celery (docs/decisions/0005)."""

EVENT_LIMIT = 1000
"""Events that wait for each other; more are sent at once."""


class Consumer(CeleryConsumer):
    """Sends its events together, a few times a second."""

    def register_with_event_loop(self, hub: Any) -> None:
        """Begin to consume; called again after each loss of the connection."""
        super().register_with_event_loop(hub)
        if self.event_dispatcher:
            self.event_dispatcher.buffer_limit = EVENT_LIMIT
        hub.call_repeatedly(EVENT_SECONDS, self._flush_events)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Release a lost connection, as Celery does; what came over it can be acknowledged later.

        kombu 5.7 forgets the connection's address before it closes a channel that waits for
        messages, and before tasks that run acknowledge theirs. Both then end in an AttributeError,
        which ends the worker.
        """
        connection = self.connection
        transport, channel = connection._transport, connection._default_channel
        if channel is not None:
            # Or its first closing would end while it reads what it waits for.
            channel._in_poll = None
        super().on_connection_error_after_connected(exc)
        if transport is not None:
            transport.client = connection

    def on_send_event_buffered(self) -> None:
        """Leave it to the timer."""

    def shutdown(self) -> None:
        """Send what waits, and stop."""
        self._flush_events()
        super().shutdown()


class WorkerProcess(Worker):
    """A worker with our own signal handlers (`worker.shutdown`)."""

    def install_platform_tweaks(self, worker: Worker) -> None:
        """Leave the signals alone."""
