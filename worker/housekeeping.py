"""The housekeeping process, `python -m worker.housekeeping`: it sweeps until it is told to stop."""

import signal
import sys
import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.database import Database
from core.queue import Broker, Publisher, make_celery
from core.settings import Settings
from worker.startup import run_or_explain, wait_for_services
from worker.sweeper import Sweeper

log = structlog.get_logger(__name__)

GRACE_SECONDS = 0.5
"""How long the pass that runs may take to end after SIGTERM; it is undone after that."""


def run(settings: Settings) -> int:
    """Sweep until SIGTERM or SIGINT.

    Raises:
        ServiceDownError: Postgres stays away at the start.
    """
    database, broker = Database(settings), Broker(settings)
    wait_for_services([database.check], settings)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    sweeper = Sweeper(
        database=database,
        broker=broker,
        publisher=Publisher(make_celery(settings)),
        max_attempts=settings.max_attempts,
        republish_seconds=settings.republish_seconds,
    )
    thread = threading.Thread(
        target=sweep_until, args=(stopped, sweeper, settings.sweep_seconds), daemon=True
    )
    thread.start()
    log.info("sweeping", every_seconds=settings.sweep_seconds)
    stopped.wait()
    thread.join(GRACE_SECONDS)
    return 0


def sweep_until(stopped: threading.Event, sweeper: Sweeper, seconds: float) -> None:
    """Sweep, pause, sweep again, whatever happens."""
    failing = False
    while not stopped.is_set():
        try:
            sweeper.sweep()
            failing = False
        except SQLAlchemyError as error:
            if not failing:
                log.warning("Postgres is away, or disagrees", reason=str(error).splitlines()[0])
            failing = True
        except Exception:
            log.exception("this pass failed; the next one tries again")
        stopped.wait(seconds)


def main() -> int:
    """Run the housekeeping; give the exit code."""
    return run_or_explain(run)


if __name__ == "__main__":
    sys.exit(main())
