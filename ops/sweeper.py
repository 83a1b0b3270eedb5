"""The sweeper: brings back what a lost worker, a lost message or a lost broker left behind."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import select
from sqlmodel import Session

from core.broker import BROKER_ERRORS, Broker
from core.db.engine import Database
from core.errors import DeadlineExceededError, WorkerLostError
from core.failures import count_failed
from core.lifecycle import backlogs, rescue, serving
from core.lifecycle.cancellation import messages_of
from core.queue import Publisher
from ops.feeder import Feeder

log = structlog.get_logger(__name__)

BATCH = 1000
"""Rows published in one transaction."""
SILENT_SECONDS = 5.0
"""How much longer than its pause the time between two passes is where Postgres was silent."""
GRACE_SECONDS = 10.0
"""How long leases have to be renewed after that: workers connect again, and beat each second."""


class Sweeper:
    """Looks through Postgres and the broker; any number of sweepers may do so at once."""

    def __init__(
        self,
        *,
        database: Database,
        broker: Broker,
        publisher: Publisher,
        feeder: Feeder,
        max_attempts: int,
        republish_seconds: float,
        sweep_seconds: float,
    ) -> None:
        self._database = database
        self._broker = broker
        self._publisher = publisher
        self._feeder = feeder
        self._max_attempts = max_attempts
        self._republish_seconds = republish_seconds
        self._sweep_seconds = sweep_seconds
        self._broker_away = False
        self._answered_at: float | None = None
        """When Postgres answered last, by the monotonic clock."""
        self._rescue_at = float("-inf")
        """From when on leases that ran out count as lost."""
        self._rescued = True
        """Whether they did in the last pass."""

    def sweep(self) -> None:
        """Make one pass.

        Raises:
            sqlalchemy.exc.OperationalError: when Postgres is away; what was begun is undone.
        """
        self._recover()
        self._expire()
        self._set_aside()
        with self._broker_up():
            self._notice_loss()
            while self._publish_lost() == BATCH:
                pass
            self._feeder.feed()
        self._close_backlogs()

    def _recover(self) -> None:
        with self._database.session() as session:
            if not self._may_rescue(session):
                return
            recovered = rescue.recover_expired(session, max_attempts=self._max_attempts)
        if recovered.queued:
            log.warning("leases ran out: queued again", images=len(recovered.queued))
        if recovered.failed:
            log.error("workers were lost too often: given up", images=len(recovered.failed))
            count_failed(WorkerLostError, len(recovered.failed))

    def _may_rescue(self, session: Session) -> bool:
        """Check whether whoever holds a lease could have renewed it.

        While Postgres was silent nobody could, and each would lose an attempt. The transaction's
        moment, by which leases run out, is that of this question.
        """
        session.execute(select(1))
        now = time.monotonic()
        before, self._answered_at = self._answered_at, now
        silent = before is not None and now - before > self._sweep_seconds + SILENT_SECONDS
        # Once: passes that take this long themselves do not put it off for ever.
        if silent and self._rescued:
            self._rescue_at = now + GRACE_SECONDS
            log.info("Postgres was silent: leases have time to be renewed", seconds=GRACE_SECONDS)
        self._rescued = now >= self._rescue_at
        return self._rescued

    def _expire(self) -> None:
        with self._database.session() as session:
            unwanted = rescue.expire_deadlines(session)
            sent = messages_of(session, unwanted)
        if unwanted:
            log.info("deadlines passed", images=len(unwanted))
            count_failed(DeadlineExceededError, len(unwanted))
            with self._broker_up():
                self._publisher.revoke(sent)

    def _set_aside(self) -> None:
        moved = 0
        while True:
            with self._database.session() as session:
                last = backlogs.set_aside(session, limit=BATCH)
                serving.forget_gone(session)
            moved += last
            if last < BATCH:
                break
        if moved:
            log.warning(
                "images wait for a model that no worker serves: start a worker with its bundle, "
                "or `packshot model requeue`",
                images=moved,
            )

    def _notice_loss(self) -> None:
        if self._broker.remembers():
            return
        with self._database.session() as session:
            forgotten = rescue.forget_published(session)
        self._broker.mark()
        log.warning(
            "Redis is empty: every queued image is published again",
            images=forgotten,
        )

    def _publish_lost(self) -> int:
        empty = self._broker.empty()
        with self._database.session() as session:
            taken = rescue.take_lost(
                session,
                empty_queues=empty,
                republish_seconds=self._republish_seconds,
                limit=BATCH,
            )
        self._feeder.send(taken)
        if taken:
            log.info("lost messages sent again", images=len(taken))
        return len(taken)

    def _close_backlogs(self) -> None:
        with self._database.session() as session:
            backlogs.close_empty(session)

    @contextmanager
    def _broker_up(self) -> Iterator[None]:
        """Go on without the broker, and say so once."""
        try:
            yield
        except BROKER_ERRORS as error:
            if not self._broker_away:
                log.warning(
                    "Redis is away: images wait",
                    address=self._broker.address,
                    reason=str(error),
                )
            self._broker_away = True
        else:
            if self._broker_away:
                log.info("Redis is back", address=self._broker.address)
            self._broker_away = False
