"""One row's walk from noise to latents: its `diffusers` scheduler and its own random numbers."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bundles.schedulers import make_scheduler, step_arguments
from core.domain.schedulers import NOT_RESUMABLE, is_stochastic
from core.errors import first_line
from worker.finite import ImpossibleError
from worker.rows import Start

Latents = NDArray[np.float32]

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
        start: Start | None = None,
        keep: Collection[int] = (),
    ) -> None:
        """Draw the noise, or take what another row has made of its own.

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
            start: Latents to go on from, of the same schedule. A multistep scheduler begins there
                as it would with noise: without a history, so its first step is of first order.
            keep: Numbers of steps after which the latents are kept.

        Raises:
            ImpossibleError: The scheduler cannot take these steps with this configuration.
            ValueError: The start does not fit this row.
        """
        self._scheduler_name = scheduler
        self._steps = steps
        try:
            self._scheduler = make_scheduler(scheduler, config)
            self._scheduler.set_timesteps(steps)
        except _REFUSALS as error:
            raise self._impossible(error) from error
        self._guidance_scale = guidance_scale
        self._guidance_interval = guidance_interval
        self._generator = torch.Generator().manual_seed(seed)
        self._stochastic = is_stochastic(scheduler, config)
        self._extra = step_arguments(self._scheduler, self._generator)
        noise = torch.randn((1, *shape), generator=self._generator)
        self._latents = noise * self._scheduler.init_noise_sigma
        self._position = self._start = 0
        self._keep = frozenset(keep)
        self.kept: dict[int, NDArray[np.float16]] = {}
        """(channels, height, width) by the number of steps after which they were kept."""
        if start is not None:
            self._go_to(start)

    @property
    def done(self) -> bool:
        """Whether the last step is taken."""
        return self._position >= len(self._scheduler.timesteps)

    @property
    def calls(self) -> int:
        """UNet calls of its whole schedule; some schedulers need more than one for a step."""
        return len(self._scheduler.timesteps)

    @property
    def position(self) -> int:
        """Steps of the schedule that lie behind it."""
        return self._position

    @property
    def taken(self) -> int:
        """Steps that it took itself: its UNet calls so far."""
        return self._position - self._start

    @property
    def timestep(self) -> float:
        """The noise level of the next UNet call."""
        return float(self._scheduler.timesteps[self._position])

    @property
    def guided(self) -> bool:
        """Whether the next step needs the prediction with the negative prompt too."""
        start, end = self._guidance_interval
        passed = self._position / len(self._scheduler.timesteps)
        return self._guidance_scale > 1 and start <= passed < end

    @property
    def latents(self) -> Latents:
        """(channels, height, width), float32: the row as it stands."""
        return self._latents[0].numpy()

    def model_input(self) -> Latents:
        """Give the UNet's next input, (channels, height, width), float32."""
        timestep = self._scheduler.timesteps[self._position]
        return self._scheduler.scale_model_input(self._latents, timestep)[0].numpy()

    def step(self, prediction: Latents, unconditional: Latents | None = None) -> None:
        """Take one step.

        Args:
            prediction: The UNet's output with the prompt, (channels, height, width).
            unconditional: The one with the negative prompt, when guidance is on.

        Raises:
            ImpossibleError: The scheduler cannot take it.
        """
        output = torch.from_numpy(prediction)
        if unconditional is not None:
            without = torch.from_numpy(unconditional)
            output = without + self._guidance_scale * (output - without)
        timestep = self._scheduler.timesteps[self._position]
        try:
            (self._latents, *_) = self._scheduler.step(
                output[None], timestep, self._latents, return_dict=False, **self._extra
            )
        except _REFUSALS as error:
            raise self._impossible(error) from error
        self._position += 1
        if self._position in self._keep:
            # What is too large for halves becomes infinite, and nobody begins with that.
            with np.errstate(over="ignore"):
                halves = self.latents.astype(np.float16)
            if np.isfinite(halves).all():
                self.kept[self._position] = halves

    def _impossible(self, error: Exception) -> ImpossibleError:
        return ImpossibleError(
            f"the scheduler {self._scheduler_name} cannot take {self._steps} steps with this "
            f"model; ask for other steps or another scheduler ({first_line(error)})"
        )

    def _go_to(self, start: Start) -> None:
        if start.latents.shape != self.latents.shape:
            raise ValueError(f"latents {start.latents.shape} cannot start {self.latents.shape}")
        if not 0 < start.step < len(self._scheduler.timesteps):
            raise ValueError(f"step {start.step} is not inside {len(self._scheduler.timesteps)}")
        if self._scheduler_name in NOT_RESUMABLE:
            raise ValueError(NOT_RESUMABLE[self._scheduler_name])
        if self._stochastic:
            for _ in range(start.step):
                # The steps that it is spared would have drawn these: the others draw as ever.
                torch.randn(self._latents.shape, generator=self._generator)
        self._latents = torch.from_numpy(start.latents.astype(np.float32))[None]
        if hasattr(self._scheduler, "set_begin_index"):  # DDIM reads the timestep alone
            self._scheduler.set_begin_index(start.step)
        self._position = self._start = start.step
