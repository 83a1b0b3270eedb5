"""The engine: continuous micro-batches at the granularity of one denoising step.

Threads of their own read prompts and decode images, so that neither stalls the loop; and each
stream of the UNet has one, so that as many calls run at the same time:

    encode ──▶ schedule ▸ predict ▸ advance ▸ retire ──▶ decode

Every row that is encoded is in the loop; which of them share a call is chosen anew before each one
(`worker.scheduler`), so what is urgent waits for one call, and what stood back for it goes on after
it. A row that is done, cancelled or late leaves after the current call.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any
from uuid import UUID

from worker.call_sizes import CallSizes
from worker.isolation import isolated, share_calls
from worker.loaded import LoadedModel, LoadedModels
from worker.model import Conditioning, Model
from worker.rows import (
    EVERYBODY,
    RowCanceledError,
    RowError,
    RowExpiredError,
    RowFailedError,
    RowHandedBackError,
    RowRequest,
    Ticket,
)
from worker.scheduler import RowScheduler
from worker.stages import Stages, Text, advance
from worker.step import Row
from worker.watchdog import Watchdog

log = logging.getLogger(__name__)


class Engine:
    """Runs rows through their compiled models until it is closed."""

    def __init__(
        self,
        models: LoadedModels,
        *,
        row_limit: int,
        streams: int = 1,
        watchdog: Watchdog | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Make an engine.

        Args:
            models: What it runs; a model's `predict` is called by as many threads as its plan has
                streams.
            row_limit: Most images that share a UNet call, whatever their model's plan says.
            streams: UNet calls that run at the same time, of all models together.
            watchdog: Ends the process when a model call never returns.
            clock: Seconds, read before and after each model call by the thread that makes it.
        """
        self.models = models
        self.row_limit = row_limit
        self._watchdog = watchdog or Watchdog(limit_seconds=float("inf"))
        self._stages = Stages(models, self._watchdog, clock)
        self._changed = threading.Condition()
        # All of these are read and written under the condition's lock.
        self._incoming: deque[Ticket] = deque()
        self._texts: deque[Text] = deque()
        self._scheduler = RowScheduler(row_limit=row_limit, streams=streams)
        self._rows: dict[UUID, Row] = {}
        self._finished: deque[Row] = deque()
        self._leaving: dict[UUID, RowError] = {}
        self._draining = False
        self._closed = False
        self._threads = [
            threading.Thread(target=self._forever, args=(turn,), name=name, daemon=True)
            for name, turn in (
                ("engine-encode", self._encode_turn),
                *(
                    (f"engine-step-{stream}", partial(self._step_turn, stream))
                    for stream in range(streams)
                ),
                ("engine-decode", self._decode_turn),
            )
        ]

    @classmethod
    def of_one(cls, model: Model, *, guidance_rescale: float = 0.0, **options: Any) -> "Engine":
        """Make an engine of one model, which rows need not name."""
        return cls({"": LoadedModel(model, guidance_rescale=guidance_rescale)}, **options)

    # What other threads call

    def start(self) -> None:
        """Start the threads."""
        self._watchdog.start()
        for thread in self._threads:
            thread.start()

    def submit(self, request: RowRequest) -> Ticket:
        """Submit a request; the ticket will have its image."""
        ticket = Ticket(request=request, submitted=time.monotonic())
        with self._changed:
            if self._draining:
                ticket.fail(RowHandedBackError("the engine is stopping"))
            else:
                self._incoming.append(ticket)
                self._changed.notify_all()
        return ticket

    def embed(
        self, text: str, tenant: str = EVERYBODY, revision: str = ""
    ) -> "Future[Conditioning]":
        """Encode a text; a row of the same model, tenant and text finds it computed.

        The future breaks with RowHandedBackError when the engine is stopping, and with whatever
        the text encoder raises.
        """
        future: Future[Conditioning] = Future()
        with self._changed:
            if self._draining:
                future.set_exception(RowHandedBackError("the engine is stopping"))
            else:
                self._texts.append(Text(text=text, tenant=tenant, revision=revision, future=future))
                self._changed.notify_all()
        return future

    def cancel(self, identity: UUID) -> None:
        """Remove a row before its next step; an unknown one is ignored."""
        error = RowCanceledError("the row was cancelled")
        with self._changed:
            for ticket in [t for t in self._incoming if t.request.identity == identity]:
                self._incoming.remove(ticket)
                ticket.fail(error)
            if identity in self._rows:
                self._leaving[identity] = error

    def drain(self) -> None:
        """Return rows that have not begun, finish the others, and accept no more."""
        with self._changed:
            self._draining = True
            while self._incoming:
                self._incoming.popleft().fail(RowHandedBackError("the engine is stopping"))
            while self._texts:
                self._texts.popleft().future.set_exception(
                    RowHandedBackError("the engine is stopping")
                )
            for identity, row in self._rows.items():
                if not self._scheduler.busy(identity) and not row.sampler.taken:
                    error = RowHandedBackError("the engine is stopping")
                    self._leaving.setdefault(identity, error)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop the threads; rows that are not finished are handed back."""
        self.drain()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._watchdog.stop()
        for ticket in [row.ticket for row in (*self._rows.values(), *self._finished)]:
            ticket.fail(RowHandedBackError("the engine was closed"))

    @property
    def ticks(self) -> int:
        """Model calls that have ended; it grows as long as the engine is alive and has work.

        A call may take longer than a lease: see `computing`.
        """
        return self._stages.ticks

    @property
    def call_sizes(self) -> CallSizes:
        """How many images share its UNet calls."""
        return self._stages.call_sizes

    @property
    def computing(self) -> bool:
        """Return whether a model call is in progress that the watchdog has no reason to end."""
        return self._watchdog.computing

    # The loops

    def _forever(self, turn: Callable[[], None]) -> None:
        try:
            while not self._closed:
                turn()
        except BaseException:
            # A loop that died would let its rows wait for ever: end the process instead.
            log.exception("the engine broke")
            self._watchdog.bite("the engine broke")

    def _encode_turn(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._incoming or self._texts or self._closed)
            tickets = [self._incoming.popleft() for _ in range(len(self._incoming))]
            texts = [self._texts.popleft() for _ in range(len(self._texts))]
        for asked in share_calls(texts, model=lambda text: text.revision):
            for one, embedding in isolated(asked, self._stages.embed, Text.fail):
                one.future.set_result(embedding)
        for group in share_calls(
            tickets,
            model=lambda ticket: ticket.request.revision,
            solo=lambda ticket: ticket.request.solo,
        ):
            prepared = isolated(group, self._stages.prepare, Ticket.fail_alone)
            with self._changed:
                for _, row in prepared:
                    self._enqueue(row)
                self._changed.notify_all()

    def _step_turn(self, stream: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._scheduler.ready or self._closed)
            self._evict()
            rows = [self._rows[identity] for identity in self._scheduler.step(stream)]
        if rows:
            for row, prediction in isolated(rows, self._stages.predict, self._drop):
                isolated([row], partial(advance, prediction=prediction), self._drop)
            self._retire(stream, rows)

    def _decode_turn(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._finished or self._closed)
            rows = self._take_finished()
        for row, (image, decode_seconds) in isolated(rows, self._stages.decode, Row.fail_alone):
            row.ticket.fulfil(row.result(image, decode_seconds))

    def _enqueue(self, row: Row) -> None:
        request = row.ticket.request
        if self._draining:
            row.ticket.fail(RowHandedBackError("the engine is stopping"))
            return
        if request.identity in self._rows:
            row.ticket.fail(RowFailedError("this generation is in the engine already"))
            return
        self._rows[request.identity] = row
        self._scheduler.add(row.candidate)

    # Stepping

    def _evict(self) -> None:
        """Remove cancelled and late rows, under the lock; those in a call are removed after it."""
        now = time.monotonic()
        for identity, row in self._rows.items():
            deadline = row.ticket.request.deadline
            if deadline is not None and deadline <= now:
                self._leaving.setdefault(identity, RowExpiredError("its deadline passed"))
        for identity in [one for one in self._leaving if not self._scheduler.busy(one)]:
            error = self._leaving.pop(identity)
            self._scheduler.remove(identity)
            left = self._rows.pop(identity, None)
            if left:
                left.ticket.fail(error)

    def _drop(self, row: Row, error: Exception) -> None:
        """Fail a running row and forget it."""
        with self._changed:
            self._forget(row)
        row.fail_alone(error)

    def _retire(self, stream: int, rows: Sequence[Row]) -> None:
        """End a stream's call: send the rows that are done to the decoder."""
        with self._changed:
            # A row that failed is gone already.
            here = [row for row in rows if self._rows.get(row.identity) is row]
            done = [row for row in here if row.sampler.done]
            for row in here:
                if not row.sampler.done:
                    self._scheduler.set_phase(row.identity, row.variant)
                    continue
                error = self._forget(row)
                if error:
                    row.ticket.fail(error)
                else:
                    self._finished.append(row)
            self._scheduler.release(stream)
            # With one stream nobody but the decoder waits for this.
            if done or self._scheduler.streams > 1:
                self._changed.notify_all()

    def _forget(self, row: Row) -> RowError | None:
        """Remove a row, under the lock; return the reason if it was asked to leave."""
        self._scheduler.remove(row.identity)
        self._rows.pop(row.identity, None)
        return self._leaving.pop(row.identity, None)

    def _take_finished(self) -> list[Row]:
        """Remove and return finished rows that can be decoded with the first, at most a batch."""
        if not self._finished:
            return []
        first = self._finished.popleft()
        limits = first.model.limits
        most = min(self.row_limit, limits.row_limit) if limits else self.row_limit
        rows = [first, *(row for row in self._finished if first.can_be_decoded_with(row))][:most]
        for row in rows[1:]:
            self._finished.remove(row)
        return rows
