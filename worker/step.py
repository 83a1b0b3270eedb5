"""A row that runs, and one UNet call of several: what goes in, and what each row gets."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from bundles.step_plan import FULL
from worker.features import RowFeatures, Side
from worker.finite import check_finite
from worker.loaded import LoadedModel
from worker.model import Array, Conditioning, Features, StepInputs, stack
from worker.rows import RowResult, Ticket
from worker.sampler import Sampler
from worker.turns import CallLimits, Candidate


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a UNet call gave one row."""

    variant: int
    """Index of the variant that was run."""
    guess: Array
    """With the prompt, (channels, height, width)."""
    unconditional: Array | None
    """With the negative prompt, where guidance is on."""
    left: Mapping[Side, Features]
    """What the row keeps for later steps."""

    @property
    def outputs(self) -> Sequence[Array]:
        """What was predicted: once, or twice where guidance is on."""
        return [self.guess] if self.unconditional is None else [self.guess, self.unconditional]


@dataclass(eq=False, kw_only=True)
class Row:
    """A ticket with everything that its steps need."""

    ticket: Ticket
    sampler: Sampler
    prompt: Conditioning
    model: LoadedModel
    negative: Conditioning | None
    """None without guidance: the row then costs one UNet row instead of two."""
    features: RowFeatures | None = None
    """None where nothing is kept between steps."""
    limits: CallLimits | None = None
    """Of calls with rows of its size; None: whatever the engine has."""
    encode_seconds: float = 0.0
    """Its share of the text encoder's call."""
    unet_seconds: float = 0.0
    """Its shares of the UNet's calls so far."""

    @property
    def guided(self) -> bool:
        """Return whether its next step needs both predictions."""
        return self.negative is not None and self.sampler.guided

    @property
    def variant(self) -> int:
        """Index of the variant of the UNet that its next step runs: the phase that it is in."""
        if self.features is None:
            return FULL
        return self.features.variant(self.sampler.position, guided=self.guided)

    @property
    def identity(self) -> UUID:
        """The generation's id."""
        return self.ticket.request.identity

    @property
    def candidate(self) -> Candidate:
        """What the scheduler knows of it."""
        request = self.ticket.request
        return Candidate(
            identity=request.identity,
            model=request.revision,
            limits=self.limits,
            # Longer prompts have more states: what is stacked has one shape.
            shape=(self.sampler.shape, *(one.shape for one in self.prompt.values())),
            lane=request.lane,
            tenant=request.tenant,
            key=request.api_key_id,
            arrived=self.ticket.submitted,
            solo=request.solo,
        )

    def result(self, image: NDArray[np.uint8], decode_seconds: float) -> RowResult:
        """Return what it gives back, with its decoded image and its share of the decoder's call."""
        return RowResult(
            image=self.sampler.walk.finish(image),
            seconds=self.encode_seconds + self.unet_seconds + decode_seconds,
            unet_seconds=self.unet_seconds,
            latency_seconds=time.monotonic() - self.ticket.submitted,
            steps=self.sampler.taken,
            kept=self.sampler.kept,
            cheap_steps=self.features.cheap_calls if self.features else 0,
            steps_saved=self.features.saved if self.features else 0.0,
        )

    def fail_alone(self, error: Exception) -> None:
        """Fail because the model failed on this row, whoever was beside it."""
        self.ticket.fail_alone(error)

    def can_be_decoded_with(self, other: "Row") -> bool:
        """Return whether the decoder can take both in one call."""
        solo = self.ticket.request.solo or other.ticket.request.solo
        return (
            not solo
            and self.model is other.model
            and self.sampler.latents.shape == other.sampler.latents.shape
        )

    def take(self, side: Side, variant: int) -> Features:
        """Return what its next step takes from an earlier one."""
        return self.features.take(side, self.sampler.position, variant) if self.features else {}

    def wanted(self, variant: int) -> Collection[str]:
        """Name what its next step leaves for later ones."""
        return self.features.wanted(self.sampler.position, variant) if self.features else ()

    def advance(self, prediction: Prediction) -> None:
        """Advance by a step.

        Raises:
            NotFiniteError: The UNet's prediction, its features or what the scheduler made of them
                are not finite; nothing of them is kept.
        """
        call = f"in call {self.sampler.position + 1} of {self.sampler.calls}"
        precision = self.model.model.precision
        left = [feature for features in prediction.left.values() for feature in features.values()]
        check_finite(f"the UNet's output {call}", *prediction.outputs, *left, precision=precision)
        if self.features:
            self.features.leave(self.sampler.position, prediction.variant, prediction.left)
        self.sampler.step(prediction.guess, prediction.unconditional)
        check_finite(f"what the scheduler made {call}", self.sampler.latents, precision=precision)


class Call:
    """One UNet call: first every row with its prompt, then the guided ones without it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """Group rows for a call: of one model, and at the same variant of its UNet."""
        self.model = rows[0].model.model
        self._variant = rows[0].variant
        self._rows = rows
        self._guided = [row for row in rows if row.guided]

    def inputs(self) -> StepInputs:
        """Return what the UNet is run on."""
        rows = [*self._rows, *self._guided]
        sides = [Side.PROMPT] * len(self._rows) + [Side.NEGATIVE] * len(self._guided)
        negatives = [row.negative for row in self._guided if row.negative is not None]
        return StepInputs(
            samples=np.stack([row.sampler.model_input() for row in rows]),
            timesteps=[row.sampler.timestep for row in rows],
            conditioning=stack([*(row.prompt for row in self._rows), *negatives]),
            taken=[row.take(side, self._variant) for row, side in zip(rows, sides, strict=True)],
            kept=[row.wanted(self._variant) for row in rows],
        )

    def charge(self, seconds: float) -> None:
        """Charge each row its share of what the call took, by its UNet rows."""
        share = seconds / (len(self._rows) + len(self._guided))
        for row in (*self._rows, *self._guided):
            row.unet_seconds += share

    def shares(self, predicted: Array, left: Sequence[Features]) -> list[Prediction]:
        """Return what the UNet made of each row.

        Args:
            predicted: (UNet rows, channels, height, width).
            left: Each UNet row's features.
        """
        second = {row: len(self._rows) + number for number, row in enumerate(self._guided)}
        return [
            Prediction(
                variant=self._variant,
                guess=predicted[first],
                unconditional=predicted[second[row]] if row in second else None,
                left={
                    Side.PROMPT: left[first],
                    **({Side.NEGATIVE: left[second[row]]} if row in second else {}),
                },
            )
            for first, row in enumerate(self._rows)
        ]
