"""A row: one image on its way through the engine."""

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.domain.image_spec import ImageSpec
from core.domain.lanes import Lane
from worker.finite import ImpossibleError
from worker.headroom import ShortOfMemoryError
from worker.walk import NOISE, Begin, Picture

log = logging.getLogger(__name__)

EVERYBODY = ""
"""The tenant of what belongs to none in particular."""


class RowError(Exception):
    """A row left the engine without an image."""


class RowCanceledError(RowError):
    """Nobody wants the row any more."""


class RowExpiredError(RowError):
    """The row's deadline passed."""


class RowHandedBackError(RowError):
    """The engine is stopping and has not begun this row; another worker may take it."""


class RowFailedError(RowError):
    """The model failed on this row, alone; the cause is chained."""


class RowImpossibleError(RowFailedError):
    """The model would fail on this row each time; the cause is chained."""


class RowTooLargeError(RowFailedError):
    """There is no memory for the row; nothing of it was computed."""


@dataclass(frozen=True, kw_only=True)
class RowRequest:
    """What the engine is asked for."""

    identity: UUID
    """The generation's id."""
    spec: ImageSpec
    """Its seed is decided."""
    lane: Lane
    revision: str = ""
    """Of the model that computes it, which is in memory until its ticket is done."""
    tenant: str = EVERYBODY
    """Whose it is: what is remembered of its texts helps nobody else's rows."""
    api_key_id: UUID | None = None
    """Which of the tenant's keys asked for it first: they take turns."""
    solo: bool = False
    """Never shares a model call, of whatever stage: set on a retry, in case it is what broke its
    batch."""
    deadline: float | None = None
    """Seconds, by `time.monotonic`."""
    begin: Begin | Picture = NOISE
    """Where it begins."""
    keep: tuple[int, ...] = ()
    """Numbers of steps after which its latents are kept for the result."""


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """What the engine gives back."""

    image: NDArray[np.uint8]
    """(height, width, 3), RGB."""
    seconds: float
    """What computing it took: its share of every model call that it was in and that did not fail.

    A text encoder's call is shared by its texts, a UNet's by its UNet rows (two for an image with
    guidance), a decoder's by its images. Seconds of different streams pass at the same time.
    """
    steps: int
    """UNet calls that the row took part in."""
    kept: Mapping[int, NDArray[np.float16]] = field(default_factory=dict)
    """(channels, height, width) after each number of steps that was asked for."""
    cheap_steps: int = 0
    """Those of them that took features from an earlier one."""
    steps_saved: float = 0.0
    """The work that these spared, in steps of the whole UNet."""
    unet_seconds: float = 0.0
    """What of `seconds` were the UNet's."""
    latency_seconds: float = 0.0
    """From submission to the decoded image, whatever else was computed meanwhile."""


@dataclass(eq=False)
class Ticket:
    """The engine's promise of one image."""

    request: RowRequest
    submitted: float
    """Seconds, by `time.monotonic`."""
    future: "Future[RowResult]" = field(default_factory=Future)

    def result(self, timeout: float | None = None) -> RowResult:
        """Wait for the image.

        Raises:
            RowError: one of its subclasses, when there will be none.
            TimeoutError: when it is not ready in time; asking again is fine.
        """
        return self.future.result(timeout)

    def fail(self, error: BaseException) -> None:
        """Resolve with an error."""
        if not self.future.done():
            self.future.set_exception(error)

    def fail_alone(self, error: Exception) -> None:
        """Resolve with an error because the model failed on this row, in whatever company."""
        if isinstance(error, ShortOfMemoryError):
            self.fail(RowTooLargeError(str(error)))
            return
        log.error("generation %s failed alone", self.request.identity, exc_info=error)
        again = self.request.begin.optional or not isinstance(error, ImpossibleError)
        failure = (
            RowFailedError(f"{type(error).__name__}: {error}")
            if again
            else RowImpossibleError(str(error))
        )
        failure.__cause__ = error
        self.fail(failure)

    def fulfil(self, result: RowResult) -> None:
        """Resolve with the result."""
        if not self.future.done():
            self.future.set_result(result)
