"""The calls of models that the engine makes, for rows of one model at a time."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.domain.texts import canonical_text
from worker.beginnings import begin_of, images_of
from worker.call_sizes import CallSizes
from worker.features import RowFeatures
from worker.loaded import LoadedModel, LoadedModels
from worker.metrics import STAGE_SECONDS, UNET_BATCH_IMAGES, UNET_STEPS
from worker.model import HIDDEN_STATES, Array, Conditioning, ImageLatents, lengthened
from worker.rows import EVERYBODY, RowRequest, Ticket
from worker.sampler import Sampler
from worker.step import Call, Prediction, Row
from worker.turns import CallLimits
from worker.walk import Begin
from worker.watchdog import Watchdog

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text to encode."""

    text: str
    tenant: str
    """Whose it is."""
    revision: str
    """The model's."""
    future: "Future[Conditioning]"
    """Where what it conditions the UNet with is waited for."""

    def fail(self, error: Exception) -> None:
        """Fail the ticket with the reason."""
        self.future.set_exception(error)


class Beginning(NamedTuple):
    """Where a row begins, and its share of the call that found out."""

    begin: Begin
    seconds: float


class Stages:
    """Encodes, predicts and decodes: under the watchdog, counted, and by the clock."""

    def __init__(
        self, models: LoadedModels, watchdog: Watchdog, clock: Callable[[], float]
    ) -> None:
        """Wire them.

        Args:
            models: Those in memory.
            watchdog: Watches each call.
            clock: Seconds, read before and after each call by the thread that makes it.
        """
        self.ticks = 0
        """Calls that have ended."""
        self.call_sizes = CallSizes()
        self._models = models
        self._watchdog = watchdog
        self._clock = clock
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[Text]) -> list[Conditioning]:
        """Encode texts for one model."""
        embeddings, _ = self._embeddings(
            self._models[texts[0].revision],
            [one.text for one in texts],
            [one.tenant for one in texts],
        )
        return embeddings

    def _embeddings(
        self, model: LoadedModel, texts: Sequence[str], tenants: Sequence[str]
    ) -> tuple[list[Conditioning], float]:
        return self._timed("text encoder", "encode", lambda: model.embeddings.get(texts, tenants))

    def prepare(self, tickets: Sequence[Ticket]) -> list[Row]:
        """Encode the texts of rows of one model, and begin them."""
        requests = [ticket.request for ticket in tickets]
        model = self._models[requests[0].revision]
        limits = [_limits(model, request) for request in requests]
        negatives = [request for request in requests if _reads_negative(model, request)]
        embeddings, seconds = self._embeddings(
            model,
            [r.spec.prompt for r in requests] + [r.spec.negative_prompt for r in negatives],
            [r.tenant for r in (*requests, *negatives)],
        )
        prompts, rest = embeddings[: len(requests)], iter(embeddings[len(requests) :])
        share = seconds / len(embeddings)
        rows = []
        begins = self._begins(model, requests)
        for ticket, prompt, begin, most in zip(tickets, prompts, begins, limits, strict=True):
            reads = _reads_negative(model, ticket.request)
            negative = next(rest) if reads else _unread(model, ticket.request, prompt)
            sides = self._of_one_length(model, prompt, negative)
            row = _row(model, ticket, *sides, share * (1 + reads), begin)
            row.limits = most
            rows.append(row)
        return rows

    def _of_one_length(
        self, model: LoadedModel, prompt: Conditioning, negative: Conditioning | None
    ) -> tuple[Conditioning, Conditioning | None]:
        """Lengthen the shorter of two prompts by empty texts: one call takes both."""
        if negative is None:
            return prompt, None
        tokens = max(len(one[HIDDEN_STATES]) for one in (prompt, negative))
        if tokens == len(prompt[HIDDEN_STATES]) == len(negative[HIDDEN_STATES]):
            return prompt, negative
        ((empty,), _) = self._embeddings(model, [""], [EVERYBODY])
        return lengthened(prompt, empty, tokens), lengthened(negative, empty, tokens)

    def _begins(self, model: LoadedModel, requests: Sequence[RowRequest]) -> list[Beginning]:
        """Return where each row begins; images of one size are encoded in one call."""
        inpaints = model.model.inpaints
        images = [images_of(request, inpaints=inpaints) for request in requests]
        encoded = iter(self._encoded(model, [one for each in images for one in each]))
        begins = []
        for request, each in zip(requests, images, strict=True):
            found = [next(encoded) for _ in each]
            begin = begin_of(request, [latents for latents, _ in found], inpaints=inpaints)
            begins.append(Beginning(begin, sum(seconds for _, seconds in found)))
        return begins

    def _encoded(
        self, model: LoadedModel, images: Sequence[Array]
    ) -> list[tuple[ImageLatents, float]]:
        """Encode images; return each one's latents, and its share of the call that found them."""
        sizes: dict[tuple[int, ...], list[int]] = {}
        for number, image in enumerate(images):
            sizes.setdefault(image.shape, []).append(number)
        encoded: dict[int, tuple[ImageLatents, float]] = {}
        for numbers in sizes.values():
            some = np.stack([images[number] for number in numbers])
            latents, seconds = self._timed(
                "VAE encoder", "encode_image", partial(model.model.encode_images, some)
            )
            for number, found in zip(numbers, latents, strict=True):
                encoded[number] = found, seconds / len(numbers)
        return [encoded[number] for number in range(len(images))]

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Run the UNet for every row: with the prompt, and without it where guidance is on."""
        call = Call(rows)
        inputs = call.inputs()
        (predicted, left), seconds = self._timed("UNet", "unet", lambda: call.model.predict(inputs))
        call.charge(seconds)
        _note_call(rows[0], len(inputs.samples))
        UNET_BATCH_IMAGES.observe(len(rows))
        self.call_sizes.note(rows[0].model.revision, len(rows))
        UNET_STEPS.inc(len(rows))
        return call.shares(predicted, left)

    def decode(self, rows: Sequence[Row]) -> list[tuple[NDArray[np.uint8], float]]:
        """Decode rows in one call; return each row's image and share of the call's seconds."""
        latents = np.stack([row.sampler.latents for row in rows])
        model = rows[0].model.model
        images, seconds = self._timed("VAE decoder", "decode", lambda: model.decode(latents))
        if rows[0].model.headroom:
            spec = rows[0].ticket.request.spec
            rows[0].model.headroom.note_decoded(spec.width, spec.height)
        return [(image, seconds / len(rows)) for image in images]

    def _timed(self, name: str, stage: str, call: Callable[[], Value]) -> tuple[Value, float]:
        """Run a model call under the watchdog; return its value and how many seconds it took.

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
            with self._lock:
                self.ticks += 1
        return value, seconds


def _limits(model: LoadedModel, request: RowRequest) -> CallLimits | None:
    """Return the limits of calls with rows of a request's size.

    Raises:
        ShortOfMemoryError: There is no memory for it.
    """
    if model.headroom is None:
        return model.limits
    spec = request.spec
    most = model.headroom.images(spec.width, spec.height, unet_rows=1 + _is_guided(model, request))
    return model.limits and model.limits.within(most)


def _note_call(row: Row, unet_rows: int) -> None:
    if row.model.headroom:
        spec = row.ticket.request.spec
        row.model.headroom.note_call(spec.width, spec.height, unet_rows=unet_rows)


def _is_guided(model: LoadedModel, request: RowRequest) -> bool:
    """Check whether a row's UNet runs with and without its prompt."""
    return request.spec.guided and not model.model.embeds_guidance


def _reads_negative(model: LoadedModel, request: RowRequest) -> bool:
    """Check whether a row's negative prompt is encoded: not an empty one that is to be zeros."""
    # As the fingerprint has it: white space is no prompt.
    is_zeros = model.model.zeroes_empty_negative and not canonical_text(
        request.spec.negative_prompt
    )
    return _is_guided(model, request) and not is_zeros


def _unread(model: LoadedModel, request: RowRequest, prompt: Conditioning) -> Conditioning | None:
    """Return what stands for a negative prompt that is not encoded: zeros, or nothing."""
    if not _is_guided(model, request):
        return None
    return {name: np.zeros_like(one) for name, one in prompt.items()}


def _row(
    model: LoadedModel,
    ticket: Ticket,
    prompt: Conditioning,
    negative: Conditioning | None,
    text_seconds: float,
    beginning: Beginning,
) -> Row:
    request, guided = ticket.request, negative is not None
    spec, compiled = request.spec, model.model
    sampler = Sampler(
        scheduler=spec.scheduler,
        config=compiled.scheduler_config,
        steps=spec.steps,
        guidance_scale=spec.guidance_scale if guided else 1.0,
        guidance_interval=spec.guidance_interval,
        guidance_rescale=model.guidance_rescale,
        seed=spec.noise_seed,
        shape=model.latent_shape(width=spec.width, height=spec.height),
        begin=beginning.begin,
        keep=request.keep,
    )
    beside = compiled.conditioning(
        guidance_scale=spec.guidance_scale, width=spec.width, height=spec.height
    )
    return Row(
        ticket=ticket,
        model=model,
        sampler=sampler,
        prompt={**prompt, **beside},
        negative=None if negative is None else {**negative, **beside},
        features=RowFeatures(model.schedules.of(sampler.calls)) if model.schedules else None,
        encode_seconds=text_seconds + beginning.seconds,
    )


def advance(rows: Sequence[Row], prediction: Prediction) -> Sequence[None]:
    """Advance a row by a step."""
    (row,) = rows
    row.advance(prediction)
    return [None]
