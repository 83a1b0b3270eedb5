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
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from worker.features import RowFeatures
from worker.finite import ImpossibleError
from worker.isolation import isolated, share_calls
from worker.loaded import LoadedModel, Models
from worker.metrics import STAGE_SECONDS, UNET_BATCH_IMAGES, UNET_STEPS
from worker.model import Conditioning, Model
from worker.rows import (
    EVERYBODY,
    RowCanceledError,
    RowError,
    RowExpiredError,
    RowFailedError,
    RowHandedBackError,
    RowImpossibleError,
    RowRequest,
    RowResult,
    Ticket,
)
from worker.sampler import Sampler
from worker.scheduler import Candidate, RowScheduler
from worker.step import Call, Prediction, Row
from worker.watchdog import Watchdog

log = logging.getLogger(__name__)

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class _Text:
    """A text to encode."""

    text: str
    tenant: str
    """Whose it is."""
    revision: str
    """The model's."""
    future: "Future[Conditioning]"
    """Where what it conditions the UNet with is waited for."""


class Engine:
    """Runs rows through their compiled models until it is closed."""

    def __init__(
        self,
        models: Models,
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
        self.ticks = 0
        """Model calls that have ended; it grows as long as the engine is alive and has work. A call
        may take longer than a lease: see `computing`."""
        self._watchdog = watchdog or Watchdog(limit_seconds=float("inf"))
        self._clock = clock
        self._changed = threading.Condition()
        # All of these are read and written under the condition's lock.
        self._incoming: deque[Ticket] = deque()
        self._texts: deque[_Text] = deque()
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
    def of_one(cls, model: Model, **options: Any) -> "Engine":
        """Make an engine of one model, which rows need not name."""
        return cls({"": LoadedModel(model)}, **options)

    # What other threads call

    def start(self) -> None:
        """Start the threads."""
        self._watchdog.start()
        for thread in self._threads:
            thread.start()

    def submit(self, request: RowRequest) -> Ticket:
        """Ask for an image; the ticket will have it."""
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
                self._texts.append(
                    _Text(text=text, tenant=tenant, revision=revision, future=future)
                )
                self._changed.notify_all()
        return future

    def cancel(self, identity: UUID) -> None:
        """Take a row out before its next step; an unknown one is ignored."""
        error = RowCanceledError("the row was cancelled")
        with self._changed:
            for ticket in [t for t in self._incoming if t.request.identity == identity]:
                self._incoming.remove(ticket)
                ticket.fail(error)
            if identity in self._rows:
                self._leaving[identity] = error

    def drain(self) -> None:
        """Hand rows back that have not begun, let the others finish, take no more."""
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
    def computing(self) -> bool:
        """Whether a model call is in progress that the watchdog has no reason to end."""
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
            for one, embedding in isolated(asked, self._embed, _break):
                one.future.set_result(embedding)
        for group in share_calls(
            tickets,
            model=lambda ticket: ticket.request.revision,
            solo=lambda ticket: ticket.request.solo,
        ):
            prepared = isolated(group, self._prepare, _fail)
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
            for row, prediction in isolated(rows, self._predict, self._drop):
                isolated([row], partial(_advance, prediction=prediction), self._drop)
            self._retire(stream, rows)

    def _decode_turn(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._finished or self._closed)
            rows = self._take_finished()
        for row, (image, decode_seconds) in isolated(rows, self._decode, _fail_row):
            result = RowResult(
                image=row.sampler.walk.finish(image),
                seconds=row.encode_seconds + row.unet_seconds + decode_seconds,
                unet_seconds=row.unet_seconds,
                latency_seconds=time.monotonic() - row.ticket.submitted,
                steps=row.sampler.taken,
                kept=row.sampler.kept,
                cheap_steps=row.features.cheap_calls if row.features else 0,
                steps_saved=row.features.saved if row.features else 0.0,
            )
            row.ticket.fulfil(result)

    def _timed(self, name: str, stage: str, call: Callable[[], Value]) -> tuple[Value, float]:
        """Run a model call under the watchdog; give its value and how many seconds it took.

        Args:
            name: The model's, for people.
            stage: The stage's, for metrics.
            call: Runs the model.
        """
        began = self._clock()
        try:
            with self._watchdog.watch(name):
                value = call()
        finally:
            seconds = self._clock() - began
            STAGE_SECONDS.labels(stage).observe(seconds)
            # A call that raised has ended, too.
            self._tick()
        return value, seconds

    # Encoding

    def _embed(self, texts: Sequence[_Text]) -> list[Conditioning]:
        embeddings, _ = self._embeddings(
            self.models[texts[0].revision],
            [one.text for one in texts],
            [one.tenant for one in texts],
        )
        return embeddings

    def _embeddings(
        self, model: LoadedModel, texts: Sequence[str], tenants: Sequence[str]
    ) -> tuple[list[Conditioning], float]:
        return self._timed("text encoder", "encode", lambda: model.embeddings.get(texts, tenants))

    def _prepare(self, tickets: Sequence[Ticket]) -> list[Row]:
        """Encode the texts of rows of one model, and begin them."""
        requests = [ticket.request for ticket in tickets]
        model = self.models[requests[0].revision]
        guided = [request.spec.guided and not model.model.embeds_guidance for request in requests]
        negatives = [request for request, two in zip(requests, guided, strict=True) if two]
        embeddings, seconds = self._embeddings(
            model,
            [r.spec.prompt for r in requests] + [r.spec.negative_prompt for r in negatives],
            [r.tenant for r in (*requests, *negatives)],
        )
        prompts, rest = embeddings[: len(requests)], iter(embeddings[len(requests) :])
        share = seconds / len(embeddings)
        return [
            _row(model, ticket, prompt, next(rest) if two else None, share)
            for ticket, prompt, two in zip(tickets, prompts, guided, strict=True)
        ]

    def _tick(self) -> None:
        with self._changed:
            self.ticks += 1

    def _enqueue(self, row: Row) -> None:
        request = row.ticket.request
        if self._draining:
            row.ticket.fail(RowHandedBackError("the engine is stopping"))
            return
        if request.identity in self._rows:
            row.ticket.fail(RowFailedError("this generation is in the engine already"))
            return
        self._rows[request.identity] = row
        self._scheduler.add(
            Candidate(
                identity=request.identity,
                model=request.revision,
                limits=row.model.limits,
                shape=row.sampler.shape,
                lane=request.lane,
                tenant=request.tenant,
                key=request.api_key_id,
                arrived=row.ticket.submitted,
                solo=request.solo,
            )
        )

    # Stepping

    def _evict(self) -> None:
        """Let cancelled and late rows go, under the lock; those in a call go after it."""
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

    def _predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Run the UNet for every row: with the prompt, and without it where guidance is on."""
        call = Call(rows)
        inputs = call.inputs()
        (predicted, left), seconds = self._timed("UNet", "unet", lambda: call.model.predict(inputs))
        call.charge(seconds)
        UNET_BATCH_IMAGES.observe(len(rows))
        UNET_STEPS.inc(len(rows))
        return call.shares(predicted, left)

    def _drop(self, row: Row, error: Exception) -> None:
        """Fail a running row and forget it."""
        with self._changed:
            self._forget(row)
        _fail_row(row, error)

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
        """Take a row out, under the lock; give the reason if it was asked to leave."""
        self._scheduler.remove(row.identity)
        self._rows.pop(row.identity, None)
        return self._leaving.pop(row.identity, None)

    # Decoding

    def _take_finished(self) -> list[Row]:
        """Take the finished rows that can be decoded with the first of them, at most a batch."""
        if not self._finished:
            return []
        first = self._finished.popleft()
        limits = first.model.limits
        most = min(self.row_limit, limits.row_limit) if limits else self.row_limit
        rows = [first, *(row for row in self._finished if first.can_be_decoded_with(row))][:most]
        for row in rows[1:]:
            self._finished.remove(row)
        return rows

    def _decode(self, rows: Sequence[Row]) -> list[tuple[NDArray[np.uint8], float]]:
        """Decode rows in one call; give each its image and its share of the call's seconds."""
        latents = np.stack([row.sampler.latents for row in rows])
        model = rows[0].model.model
        images, seconds = self._timed("VAE decoder", "decode", lambda: model.decode(latents))
        return [(image, seconds / len(rows)) for image in images]


def _row(
    model: LoadedModel,
    ticket: Ticket,
    prompt: Conditioning,
    negative: Conditioning | None,
    text_seconds: float,
) -> Row:
    request, guided = ticket.request, negative is not None
    spec, compiled = request.spec, model.model
    sampler = Sampler(
        scheduler=spec.scheduler,
        config=compiled.scheduler_config,
        steps=spec.steps,
        guidance_scale=spec.guidance_scale if guided else 1.0,
        guidance_interval=request.guidance_interval,
        seed=spec.noise_seed,
        shape=model.latent_shape(width=spec.width, height=spec.height),
        begin=request.begin,
        keep=request.keep,
    )
    beside = compiled.conditioning(guidance_scale=spec.guidance_scale)
    return Row(
        ticket=ticket,
        model=model,
        sampler=sampler,
        prompt={**prompt, **beside},
        negative=None if negative is None else {**negative, **beside},
        features=RowFeatures(model.schedules.of(sampler.calls)) if model.schedules else None,
        encode_seconds=text_seconds * (2 if guided else 1),
    )


def _advance(rows: Sequence[Row], prediction: Prediction) -> Sequence[None]:
    (row,) = rows
    row.advance(prediction)
    return [None]


def _break(asked: _Text, error: Exception) -> None:
    asked.future.set_exception(error)


def _fail_row(row: Row, error: Exception) -> None:
    _fail(row.ticket, error)


def _fail(ticket: Ticket, error: Exception) -> None:
    log.error("generation %s failed alone", ticket.request.identity, exc_info=error)
    again = ticket.request.begin.optional or not isinstance(error, ImpossibleError)
    failure = (
        RowFailedError(f"{type(error).__name__}: {error}")
        if again
        else RowImpossibleError(str(error))
    )
    failure.__cause__ = error
    ticket.fail(failure)
