"""The deliverer's loop: record, claim, wait."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.db.engine import Database
from core.egress.client import EgressClient, EgressError
from core.errors import ForbiddenUrlError, first_line
from core.webhooks import attempts, deliveries
from core.webhooks.attempts import DeliveryAttempt
from core.webhooks.deliveries import NIL, WebhookMessage
from ops.webhooks.message import write_body, write_headers
from ops.webhooks.retry_schedule import Decision, decide, retry
from ops.webhooks.slots import DeliverySlots

log = structlog.get_logger(__name__)

T = TypeVar("T")

LEASE_MARGIN = 30.0
"""Seconds after the timeout until another deliverer may claim what this one claimed."""
GATHER_SECONDS = 0.02
"""How long an attempt that has ended waits for others: recording ten costs about as much as one."""
LONGEST_PAUSE = 3600.0
"""Seconds that a whole queue waits because of one answer's Retry-After."""


@dataclass(frozen=True, kw_only=True)
class DeliverySettings:
    """How messages are sent."""

    timeout_seconds: float
    """For one attempt."""
    at_once: int
    """Attempts of this process at the same time."""
    each: int
    """Attempts of this process at the same time for one endpoint."""
    poll_seconds: float
    """Between two looks at an outbox that had nothing to send."""
    disable_seconds: float
    """An endpoint that fails for so long is disabled."""
    public_url: str = ""
    """What callers put before the paths of the API."""


class Deliverer:
    """Sends what is due; any number of deliverers may run at once."""

    def __init__(
        self,
        *,
        database: Database,
        client: EgressClient,
        settings: DeliverySettings,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._client = client
        self._settings = settings
        self._chance = chance
        self._slots = DeliverySlots(each=settings.each)
        self._sending: set[asyncio.Task[None]] = set()
        """The attempts that run."""
        self._finished: list[DeliveryAttempt] = []
        self._after = NIL
        self._wake = asyncio.Event()
        self._away = False

    async def run(
        self, stopped: asyncio.Event, *, after_step: Callable[[], object] = lambda: None
    ) -> None:
        """Deliver until it is stopped; then finish what runs, if that is quick enough.

        What is cut off is sent again, under the same id, when its claim has run out.

        Args:
            stopped: Ends it.
            after_step: Called after each look at the outbox.
        """
        while not stopped.is_set():
            await self.step()
            after_step()
            await self._wait(stopped)
        if self._sending:
            await asyncio.wait(self._sending, timeout=self._settings.timeout_seconds)
        await self._record()

    async def step(self) -> None:
        """Record what is over, and send what is due."""
        await self._record()
        await self._claim()

    async def drain(self) -> None:
        """Send what is due until nothing is, whatever comes of it."""
        while True:
            await self.step()
            if not self._sending and not self._finished:
                return
            if self._sending:
                await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(GATHER_SECONDS)

    async def _record(self) -> None:
        ended, self._finished = self._finished, []
        if not ended:
            return

        def write() -> bool:
            with self._database.session() as session:
                attempts.record(session, ended, disable_seconds=self._settings.disable_seconds)
            return True

        if not await self._ask(write):
            self._finished = ended + self._finished

    async def _claim(self) -> None:
        while (free := self._settings.at_once - len(self._sending) - len(self._finished)) > 0:
            began = self._after
            # Before the thread begins: attempts end meanwhile.
            slots = self._slots.free(now=time.monotonic())
            claimed = await self._ask(partial(self._take, free, slots))
            if claimed is None:
                return
            self._after = claimed.after
            for message in claimed.messages:
                self._start(message)
            # Else the queues before this claim's beginning may have more.
            if began == self._after == NIL:
                return

    def _take(self, free: int, slots: Mapping[UUID, int]) -> deliveries.Claimed:
        with self._database.session() as session:
            return deliveries.claim(
                session,
                after=self._after,
                slots=slots,
                each=1,
                most=free,
                lease_seconds=self._settings.timeout_seconds + LEASE_MARGIN,
            )

    def _start(self, message: WebhookMessage) -> None:
        self._slots.begin(message.queue)
        task = asyncio.create_task(self._send(message))
        self._sending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.remove(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # A mistake of ours: it is sent again when its claim has run out.
            log.error("an attempt broke", exc_info=error)

    async def _send(self, message: WebhookMessage) -> None:
        began = time.monotonic()
        status: int | None = None
        try:
            status, decision = await self._attempt(message)
        finally:
            self._slots.end(message.queue, answered=status is not None)
        pause = min(decision.pause_seconds, LONGEST_PAUSE)
        if pause:
            self._slots.pause(message.queue, until=time.monotonic() + pause)
        self._finished.append(
            DeliveryAttempt(
                message=message,
                verdict=decision.verdict,
                status=status,
                error=decision.error,
                seconds=time.monotonic() - began,
                delay_seconds=decision.delay_seconds,
                pause_seconds=pause,
            )
        )

    async def _attempt(self, message: WebhookMessage) -> tuple[int | None, Decision]:
        body = write_body(message, public_url=self._settings.public_url)
        headers = write_headers(message, body, now=datetime.now(UTC))
        try:
            answer = await self._client.post(message.url, headers, body)
        except (EgressError, ForbiddenUrlError) as error:
            return None, retry(message.attempt, str(error), chance=self._chance)
        return answer.status, decide(
            message.attempt, answer.status, answer.headers, chance=self._chance
        )

    async def _wait(self, stopped: asyncio.Event) -> None:
        """Wait until an attempt ends, it is stopped, or it is time to look again."""
        waiting = [asyncio.ensure_future(one.wait()) for one in (self._wake, stopped)]
        try:
            await asyncio.wait(
                waiting,
                timeout=self._settings.poll_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for one in waiting:
                one.cancel()
        if self._wake.is_set():
            await asyncio.sleep(GATHER_SECONDS)
        self._wake.clear()

    async def _ask(self, work: Callable[[], T]) -> T | None:
        """Query Postgres in a thread; return None, and log it, while it is away."""
        try:
            answer = await asyncio.to_thread(work)
        except SQLAlchemyError as error:
            if not self._away:
                log.warning("Postgres is away", reason=first_line(error))
            self._away = True
            return None
        if self._away:
            log.info("Postgres is back")
        self._away = False
        return answer
