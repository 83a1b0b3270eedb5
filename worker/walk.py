"""What differs between rows that share a UNet: how they begin, and what is done between its calls.

A row asks for a `Begin`; that makes the row's `Walk`, whose hooks the sampler and the engine call.
So rows of texts, of pictures and of masks stand in one call. They draw what the pipelines of
`diffusers` draw, in the same order, and give the same images.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from core.domain.schedulers import NOT_RESUMABLE, steps_over

if TYPE_CHECKING:
    from worker.sampler import Sampler

Latents = torch.Tensor
"""(1, channels, height, width), float32."""


class Walk:
    """One row's way from its first latents to its image, with nothing done on it."""

    def __init__(self, first: Latents) -> None:
        """Start.

        Args:
            first: The latents before the row's first step.
        """
        self.first = first

    def model_input(self, latents: Latents) -> Latents:
        """Return what the UNet sees of latents that are scaled for it."""
        return latents

    def after_step(self, sampler: "Sampler", latents: Latents) -> Latents:  # noqa: ARG002
        """Return what a step's latents become before the next one; `sampler` is there already."""
        return latents

    def finish(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what the decoded image becomes, (height, width, 3)."""
        return image


class Begin(Protocol):
    """Where a row begins."""

    @property
    def optional(self) -> bool:
        """Return whether the row could do without it, so that a failure here is tried again."""

    def begin(self, sampler: "Sampler") -> Walk:
        """Return the latents that a row begins with.

        Args:
            sampler: The row's own, before its first step.

        Raises:
            ValueError: This does not fit the row.
        """


@dataclass(frozen=True)
class Noise:
    """The row begins with noise of its own."""

    optional = False

    def begin(self, sampler: "Sampler") -> Walk:
        """Draw it."""
        return Walk(sampler.scaled(sampler.draw()))


NOISE = Noise()


@dataclass(frozen=True, kw_only=True)
class Resume:
    """The row goes on where another one was.

    A multistep scheduler begins there as it would with noise: without a history, so its first step
    is of first order.
    """

    step: int
    """Steps of its schedule that it is spared."""
    latents: NDArray[np.floating]
    """(channels, height, width): those of another row of the same schedule after these steps."""

    optional = True

    def begin(self, sampler: "Sampler") -> Walk:
        """Take the latents over, and leave out what the steps before would have drawn."""
        if self.latents.shape != sampler.shape:
            raise ValueError(f"latents {self.latents.shape} cannot start {sampler.shape}")
        if not 0 < self.step < sampler.calls:
            raise ValueError(f"step {self.step} is not inside {sampler.calls}")
        if sampler.scheduler in NOT_RESUMABLE:
            raise ValueError(NOT_RESUMABLE[sampler.scheduler])
        # The noise to begin with, and that of each step: those that are left draw as ever.
        for _ in range(1 + self.step * sampler.stochastic):
            sampler.draw()
        sampler.go_to(self.step)
        return Walk(torch.from_numpy(self.latents.astype(np.float32))[None])


@dataclass(frozen=True, kw_only=True)
class PictureSource:
    """The row begins with noise over a picture, and keeps the picture where a mask says so.

    Without a mask what `StableDiffusionImg2ImgPipeline` does (Meng et al. 2022, "SDEdit: Guided
    Image Synthesis and Editing with Stochastic Differential Equations", arXiv 2108.01073); with one
    what `StableDiffusionInpaintPipeline` does with a UNet that knows of no masks.
    """

    mean: NDArray[np.float32]
    """(channels, height, width): of the latents that the autoencoder has for the picture, scaled as
    the UNet's are."""
    deviation: NDArray[np.float32] | None
    """Of the same shape: their standard deviation; None: the autoencoder knows of none."""
    strength: float
    """Share of the schedule that is run: 1 leaves nothing of the picture outside a mask."""
    mask: NDArray[np.float32] | None = None
    """(1, height, width) in latents: 1 where the row may change the picture, 0 where it stays."""

    optional = False

    def begin(self, sampler: "Sampler") -> Walk:
        """Draw the picture's latents and the noise over them."""
        if self.mean.shape != sampler.shape:
            raise ValueError(f"a picture's latents {self.mean.shape} do not fit {sampler.shape}")
        first = sampler.steps - steps_over(sampler.steps, self.strength)
        if first == sampler.steps:
            raise ValueError(f"a strength of {self.strength:g} leaves none of {first} steps")
        clean = torch.from_numpy(self.mean)
        if self.deviation is not None:
            clean = clean + torch.from_numpy(self.deviation) * sampler.draw()
        else:
            clean = clean[None]
        noise = sampler.draw()
        sampler.go_to(first)
        if self.mask is None:
            return Walk(sampler.noised(clean, noise))
        # The third pipeline encodes the masked picture, too, and does not use it with such a UNet.
        if self.deviation is not None:
            sampler.draw()
        begun = sampler.scaled(noise) if self.strength == 1 else sampler.noised(clean, noise)
        return Blend(begun, clean=clean, noise=noise, mask=torch.from_numpy(self.mask)[None])


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """What a row begins with before the autoencoder has seen it.

    The engine makes it a `PictureSource`.
    """

    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB, of the row's own size."""
    strength: float
    """As a `PictureSource` has it."""
    mask: NDArray[np.float32] | None = None
    """As a `PictureSource` has it."""

    optional = False

    def encoded(
        self, *, mean: NDArray[np.float32], deviation: NDArray[np.float32] | None
    ) -> PictureSource:
        """Return it as the UNet knows it."""
        return PictureSource(mean=mean, deviation=deviation, strength=self.strength, mask=self.mask)


class Blend(Walk):
    """A walk that changes a picture inside a mask only."""

    def __init__(self, first: Latents, *, clean: Latents, noise: Latents, mask: Latents) -> None:
        """Start.

        Args:
            first: The latents before the row's first step.
            clean: The picture's latents.
            noise: What lies over them.
            mask: (1, 1, height, width), 1 where the row may change the picture.
        """
        super().__init__(first)
        self._clean, self._noise, self._mask = clean, noise, mask

    def after_step(self, sampler: "Sampler", latents: Latents) -> Latents:
        """Restore the picture outside the mask, as noisy as the next step expects it."""
        picture = self._clean if sampler.done else sampler.noised(self._clean, self._noise)
        return (1 - self._mask) * picture + self._mask * latents
