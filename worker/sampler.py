"""One row's denoising loop: its `diffusers` scheduler and its own random numbers."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bundles.schedulers import make_scheduler, step_arguments
from core.domain.schedulers import is_stochastic
from core.errors import first_line
from worker.finite import ImpossibleError
from worker.model import Array
from worker.walk import NOISE, Begin, Latents

_REFUSALS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError),
    *(TypeError, ValueError, torch.linalg.LinAlgError),  # type: ignore[attr-defined]
)
"""What a scheduler raises that cannot do what is asked: it is arithmetic, and would raise it again.
Not what may pass, such as too little memory (`MemoryError`, `RuntimeError`)."""


class Sampler:
    """The denoising loop of one image, a step at a time.

    Does what `diffusers.StableDiffusionPipeline.__call__` does for a batch of one, so a row gives
    the image that the pipeline gives, whatever the other rows of its UNet call are.
    """

    def __init__(
        self,
        *,
        scheduler: str,
        config: Mapping[str, Any],
        steps: int,
        guidance_scale: float,
        seed: int,
        shape: tuple[int, int, int],
        guidance_interval: tuple[float, float] = (0.0, 1.0),
        guidance_rescale: float = 0.0,
        begin: Begin = NOISE,
        keep: Collection[int] = (),
    ) -> None:
        """Create the loop of one image.

        Args:
            scheduler: A name in `core.domain.schedulers`.
            config: The bundle's `scheduler_config.json`.
            steps: Denoising steps.
            guidance_scale: Classifier-free guidance; up to 1 the prediction is taken as it is.
            seed: Seed of this row's generator, from 0 to 2⁶³-1.
            shape: Of the latents: channels, height, width.
            guidance_interval: Shares of the schedule between which guidance is on: step i of n is
                guided where start ≤ i/n < end. Outside, the prediction with the prompt is taken
                as it is (Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval
                Improves Sample and Distribution Quality in Diffusion Models", arXiv 2404.07724).
            guidance_rescale: From 0 to 1, how far a guided prediction gets the standard deviation
                of the one with the prompt (Lin et al. 2023, "Common Diffusion Noise Schedules and
                Sample Steps are Flawed", arXiv 2305.08891, section 3.4).
            begin: Where it begins.
            keep: Numbers of steps after which the latents are kept.

        Raises:
            ImpossibleError: The scheduler cannot take these steps with this configuration.
            ValueError: Where it begins does not fit this row.
        """
        self.scheduler, self.steps, self.shape = scheduler, steps, shape
        try:
            self._scheduler = make_scheduler(scheduler, config)
            self._scheduler.set_timesteps(steps)
        except _REFUSALS as error:
            raise self._impossible(error) from error
        self._guidance_scale = guidance_scale
        self._guidance_interval = guidance_interval
        self._guidance_rescale = guidance_rescale
        self._generator = torch.Generator().manual_seed(seed)
        self.stochastic = is_stochastic(scheduler, config)
        """Whether each step draws noise."""
        self._extra = step_arguments(self._scheduler, self._generator)
        self._position = self._start = 0
        self._keep = frozenset(keep)
        self.kept: dict[int, NDArray[np.float16]] = {}
        """(channels, height, width) by the number of steps after which they were kept."""
        self.walk = begin.begin(self)
        self._latents = self.walk.first

    @property
    def done(self) -> bool:
        """Return whether the last step is done."""
        return self._position >= len(self._scheduler.timesteps)

    @property
    def calls(self) -> int:
        """Return the UNet calls of its whole schedule; some schedulers need several for a step."""
        return len(self._scheduler.timesteps)

    @property
    def position(self) -> int:
        """Return how many steps of the schedule are done or skipped."""
        return self._position

    @property
    def taken(self) -> int:
        """Return the steps that it took itself: its UNet calls so far."""
        return self._position - self._start

    @property
    def timestep(self) -> float:
        """The noise level of the next UNet call."""
        return float(self._scheduler.timesteps[self._position])

    @property
    def guided(self) -> bool:
        """Return whether the next step needs the prediction with the negative prompt too."""
        start, end = self._guidance_interval
        passed = self._position / len(self._scheduler.timesteps)
        return self._guidance_scale > 1 and start <= passed < end

    @property
    def latents(self) -> Array:
        """(channels, height, width): the row as it stands."""
        return self._latents[0].numpy()

    def draw(self) -> Latents:
        """Draw noise from the row's own generator."""
        return torch.randn((1, *self.shape), generator=self._generator)

    def scaled(self, noise: Latents) -> Latents:
        """Return noise as the first of all steps expects it."""
        return noise * self._scheduler.init_noise_sigma

    def noised(self, clean: Latents, noise: Latents) -> Latents:
        """Return latents under noise, as the next step expects them."""
        timestep = self._scheduler.timesteps[self._position : self._position + 1]
        return self._scheduler.add_noise(clean, noise, timestep)

    def go_to(self, step: int) -> None:
        """Skip all steps before this one."""
        self._position = self._start = step * self._scheduler.order
        if hasattr(self._scheduler, "set_begin_index"):  # DDIM reads the timestep alone
            self._scheduler.set_begin_index(self._position)

    def model_input(self) -> Array:
        """Return the UNet's next input, (channels, height, width)."""
        timestep = self._scheduler.timesteps[self._position]
        scaled = self._scheduler.scale_model_input(self._latents, timestep)
        return self.walk.model_input(scaled)[0].numpy()

    def step(self, prediction: Array, unconditional: Array | None = None) -> None:
        """Advance by one step.

        Args:
            prediction: The UNet's output with the prompt, (channels, height, width).
            unconditional: The one with the negative prompt, when guidance is on.

        Raises:
            ImpossibleError: The scheduler cannot take it.
        """
        output = torch.from_numpy(prediction)
        if unconditional is not None:
            output = self._guide(output, torch.from_numpy(unconditional))
        timestep = self._scheduler.timesteps[self._position]
        try:
            (latents, *_) = self._scheduler.step(
                output[None], timestep, self._latents, return_dict=False, **self._extra
            )
        except _REFUSALS as error:
            raise self._impossible(error) from error
        self._position += 1
        self._latents = self.walk.after_step(self, latents)
        if self._position in self._keep:
            # What is too large for halves becomes infinite, and nobody begins with that.
            with np.errstate(over="ignore"):
                halves = self.latents.astype(np.float16)
            if np.isfinite(halves).all():
                self.kept[self._position] = halves

    def _guide(self, prompted: Latents, without: Latents) -> Latents:
        guided = without + self._guidance_scale * (prompted - without)
        if not self._guidance_rescale:
            return guided
        share = self._guidance_rescale
        return share * guided * (prompted.std() / guided.std()) + (1 - share) * guided

    def _impossible(self, error: Exception) -> ImpossibleError:
        return ImpossibleError(
            f"the scheduler {self.scheduler} cannot take {self.steps} steps with this "
            f"model; ask for other steps or another scheduler ({first_line(error)})"
        )
