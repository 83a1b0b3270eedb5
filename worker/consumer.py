"""Celery's worker in this process, as this project wants it."""

from typing import Any

from celery import Celery, signals
from celery.apps.worker import Worker
from celery.worker.consumer import Consumer as CeleryConsumer

from core.queue import make_celery
from core.settings import Settings
from worker.runner import Runner
from worker.tasks import register

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


def make_worker_process(
    settings: Settings, runner: Runner, name: str, *, threads: int
) -> WorkerProcess:
    """Make Celery's worker, whose threads hand each message to the runner."""
    celery = make_celery(settings)
    _configure(celery, settings)
    register(celery, runner)
    # Any receiver keeps Celery from setting up logging of its own.
    signals.setup_logging.connect(_keep_our_logging)
    return WorkerProcess(
        app=celery,
        hostname=name,
        pool_cls="threads",
        consumer_cls=Consumer,
        concurrency=threads,
        quiet=True,
        redirect_stdouts=False,
        # Workers need nothing of each other; mingling costs a second of every start.
        without_mingle=True,
        without_gossip=True,
    )


def _configure(celery: Celery, settings: Settings) -> None:
    """Set what only a consumer needs."""
    celery.conf.update(
        # However long Redis is away.
        broker_connection_retry=True,
        broker_connection_max_retries=None,
        # A thread in the middle of an image goes on; its message may come twice, which the claim
        # sorts out.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_timeout=settings.connect_timeout,
    )


def _keep_our_logging(**_: object) -> None:
    """Do nothing, on purpose."""
