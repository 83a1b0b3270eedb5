"""The housekeeping process, `python -m ops.housekeeping`: it sweeps until it is told to stop."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import idempotency
from core.broker import BROKER_ERRORS, Broker
from core.db.engine import Database
from core.errors import first_line
from core.metrics_server import serving_metrics
from core.queue import Publisher, make_celery
from core.settings import Settings
from core.startup import run_or_explain, wait_for_services
from core.storage import STORAGE_ERRORS, Storage
from core.webhooks import log as delivery_log
from ops.eraser import Eraser, RetentionLimits
from ops.feeder import Feeder
from ops.heartbeat import Heartbeat
from ops.inspector import Inspector
from ops.janitor import Janitor, limits_of
from ops.latents_janitor import ApproximateJanitor
from ops.publishing.publisher import RunPublisher
from ops.sweeper import Sweeper

log = structlog.get_logger(__name__)

Pass = tuple[Callable[[], object], float]
"""What is done again and again, and the seconds between."""

GRACE_SECONDS = 0.5
"""How long the pass that runs may take to end after SIGTERM; it is undone after that."""


def run(settings: Settings) -> int:
    """Sweep until SIGTERM or SIGINT.

    Raises:
        ServiceDownError: Postgres stays away at the start.
        InvalidSettingError: The port of its metrics cannot be had.
    """
    with serving_metrics(settings, "housekeeping_metrics_port"):
        return _keep_house(settings)


def _keep_house(settings: Settings) -> int:
    database = Database(settings)
    wait_for_services([database.check], settings)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    heartbeat = Heartbeat(settings.health_file)
    threads = [
        threading.Thread(
            target=repeat_until, args=(stopped, heartbeat.watch(work), seconds), daemon=True
        )
        for work, seconds in (
            *_queueing(settings, database),
            *_cleaning(settings, database),
            *_publishing(settings, database),
        )
    ]
    for thread in threads:
        thread.start()
    log.info("sweeping", every_seconds=settings.sweep_seconds)
    stopped.wait()
    for thread in threads:
        thread.join(GRACE_SECONDS)
    return 0


def _queueing(settings: Settings, database: Database) -> Iterator[Pass]:
    """Make what sends messages: those that are due, and those that were lost."""
    broker, publisher = Broker(settings), Publisher(make_celery(settings))
    feeder = Feeder(
        database=database,
        broker=broker,
        publisher=publisher,
        window=settings.queue_window,
        republish_seconds=settings.republish_seconds,
    )
    sweeper = Sweeper(
        database=database,
        broker=broker,
        publisher=publisher,
        feeder=feeder,
        max_attempts=settings.max_attempts,
        sweep_seconds=settings.sweep_seconds,
        republish_seconds=settings.republish_seconds,
    )
    yield sweeper.sweep, settings.sweep_seconds
    yield partial(feed, feeder), settings.feed_seconds


def _cleaning(settings: Settings, database: Database) -> Iterator[Pass]:
    """Make what deletes whatever is kept no longer, and looks for damage."""
    storage, seconds = Storage(settings), settings.janitor_seconds
    eraser = Eraser(database=database, storage=storage, limits=RetentionLimits.of(settings))
    images = Janitor(database=database, storage=storage, limits=limits_of(settings))
    latents = ApproximateJanitor(
        database=database,
        storage=storage,
        budget_bytes=settings.approximate_budget_bytes,
        ttl_seconds=settings.approximate_ttl_seconds,
    )
    inspector = Inspector(
        database=database, storage=storage, bytes_per_pass=settings.inspection_bytes
    )
    # Before the images, whose objects and rows then go.
    yield eraser.clean, seconds
    yield images.clean, seconds
    yield latents.clean, seconds
    yield inspector.inspect, seconds
    yield partial(prune_answers, database, settings.idempotency_seconds), seconds
    yield partial(prune_events, database, seconds=settings.webhook_retention_seconds), seconds


def _publishing(settings: Settings, database: Database) -> Iterator[Pass]:
    """Make what carries out publish runs; killed at any place, it goes on from there."""
    publisher = RunPublisher(database=database, storage=Storage(settings), settings=settings)
    yield publisher.publish, settings.publish_poll_seconds
    yield publisher.renew_credentials, settings.janitor_seconds


def prune_answers(database: Database, ttl_seconds: float) -> None:
    """Delete the answers to Idempotency-Keys whose time is over."""
    with database.session() as session:
        idempotency.prune(session, ttl_seconds=ttl_seconds)


def prune_events(database: Database, *, seconds: float) -> None:
    """Delete webhook events that are older than so many seconds, a few thousand at a time."""
    total, more = 0, True
    while more:
        with database.session() as session:
            pruned = delivery_log.prune(session, seconds=seconds)
        total, more = total + pruned, pruned == delivery_log.AT_ONCE
    if total:
        log.info("old webhook events deleted", events=total)


def feed(feeder: Feeder) -> None:
    """Make a pass of the feeder; while the broker is away the sweeper says so, not this."""
    with suppress(*BROKER_ERRORS):
        feeder.feed()


def repeat_until(stopped: threading.Event, work: Callable[[], object], seconds: float) -> None:
    """Work, pause, work again, whatever happens."""
    failing = False
    while not stopped.is_set():
        try:
            work()
            failing = False
        except (SQLAlchemyError, *STORAGE_ERRORS) as error:
            if not failing:
                service = "Postgres" if isinstance(error, SQLAlchemyError) else "S3"
                log.warning(f"{service} is away, or disagrees", reason=first_line(error))
            failing = True
        except Exception:
            log.exception("this pass failed; the next one tries again")
        stopped.wait(seconds)


def main() -> int:
    """Run the housekeeping; return the exit code."""
    return run_or_explain(run)


if __name__ == "__main__":
    sys.exit(main())
