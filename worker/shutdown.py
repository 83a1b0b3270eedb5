"""How a worker process ends: warm, when there is time for the running images; else cold."""

import os
import signal
import threading
from types import FrameType
from typing import Protocol

import structlog
from celery.worker import state
from kombu.asynchronous import get_event_loop

from core.db.engine import Database
from core.lifecycle import holds
from worker.runner import Runner

log = structlog.get_logger(__name__)

COLD_SECONDS = 3.0
"""How long a cold shutdown tries to give the claims back."""

EXIT_CODE = 1
"""Of a cold shutdown."""


class Drainable(Protocol):
    """What the shutdown needs of the engine."""

    def drain(self) -> None:
        """Return waiting rows, finish running ones, and accept no more."""


class Shutdown:
    """Ends this process, on signals or on request.

    Celery's own handlers are not used: its cold shutdown asks the pool to terminate tasks, which
    the threads pool cannot.
    """

    def __init__(
        self, *, runner: Runner, engine: Drainable, owner: str, database: Database
    ) -> None:
        self._runner = runner
        self._engine = engine
        self._owner = owner
        self._database = database
        self._signals = 0

    def install(self) -> None:
        """Listen to signals: SIGTERM or SIGINT ends warm, the next one or SIGQUIT cold."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._on_signal)

    def warm(self) -> None:
        """Start the warm shutdown; calling it again changes nothing.

        Before the consumer stops: rows that wait in the engine go back to their lanes while it
        can still send them there, so that other workers take them at once.
        """
        self._runner.stop()
        self._engine.drain()
        state.should_stop = 0
        # The consumer looks at that flag when it wakes up.
        loop = get_event_loop()
        if loop is not None:
            loop.call_soon(_nothing)

    def cold(self) -> None:
        """End now: every claim goes back to the queue, and what was computed of it is lost."""
        giving_back = threading.Thread(target=self._give_back, daemon=True)
        giving_back.start()
        giving_back.join(COLD_SECONDS)
        # Not sys.exit: that would wait for the pool's threads, and they for their images.
        os._exit(EXIT_CODE)

    def _give_back(self) -> None:
        # A claim that is committed after they were counted would wait for its lease to run out.
        self._runner.close()
        with self._database.session() as session:
            holds.hand_back_all(session, self._owner)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        hurry = number == signal.SIGQUIT or self._signals > 1
        # In a thread: the signal may have come while the main thread holds a lock.
        threading.Thread(target=self._end, args=(number, hurry), daemon=True).start()

    def _end(self, number: int, hurry: bool) -> None:
        name = signal.Signals(number).name
        log.info("stopping", signal=name, how="at once" if hurry else "after the running images")
        if hurry:
            self.cold()
        else:
            self.warm()


def _nothing() -> None:
    """Do nothing but wake the event loop up."""
