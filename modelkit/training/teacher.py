"""The model that a student learns from: the source in floating point, while it draws.

What a UNet sees in use are latents half-way through a denoising under a prompt. So the teacher
denoises many prompts at once, each at its own place in its own schedule, and every call that it
makes on the way (inputs and output) is a row for a student to learn from.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import nn

from modelkit.export.configuration import read_vae, scale_factor
from modelkit.export.source import read_profile
from modelkit.prompts import calibration_prompts
from modelkit.training.device import Device
from modelkit.training.models import (
    load_scheduler,
    load_text_encoder,
    load_unet,
    predict,
)

STEPS = (8, 30)
"""Length of a schedule, at least and at most."""
WIDEST_GUIDANCE = 2.0
"""How far above the usual guidance a trajectory may be guided, as a factor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherCall:
    """One call of the teacher's UNet, each slot's conditional rows first, then the empty ones."""

    sample: torch.Tensor
    """(rows, channels, height, width) float32."""
    timestep: torch.Tensor
    """(rows,) float32."""
    states: torch.Tensor
    """(rows, tokens, width) float32."""
    output: torch.Tensor
    """(rows, channels, height, width) float32: what the teacher predicted."""
    guidance: torch.Tensor
    """(rows / 2, 1, 1, 1) float32: the guidance scale of each slot."""

    def guided(self, predicted: torch.Tensor) -> torch.Tensor:
        """Put a prediction's halves together by classifier-free guidance: (rows / 2, ...)."""
        conditional, unconditional = predicted.chunk(2)
        return unconditional + self.guidance * (conditional - unconditional)


class Trajectories:
    """Iterates over calls; the same seed gives the same ones.

    Each slot follows the deterministic DDIM path (Song et al., 2020, arXiv 2010.02502) of a random
    prompt, noise, guidance scale and number of steps; other samplers' paths run close to it.
    """

    def __init__(
        self,
        teacher: nn.Module,
        scheduler: DDPMScheduler,
        states: torch.Tensor,
        empty: torch.Tensor,
        *,
        shape: tuple[int, int, int],
        slots: int,
        guidance: tuple[float, float],
        device: str,
        seed: int,
    ) -> None:
        """Set up what to denoise.

        Args:
            teacher: A UNet.
            scheduler: The noise schedule, and what the teacher predicts.
            states: Encoded prompts, (prompts, tokens, width) float32.
            empty: The encoded empty prompt, (1, tokens, width) float32.
            shape: Of the latents: channels, height, width.
            slots: Trajectories at once; a call has two rows for each.
            guidance: The least and the greatest scale; each trajectory has one between them.
            device: Where the teacher is.
            seed: Of everything random here.
        """
        self._teacher = teacher
        self._schedule = _Schedule(scheduler)
        self._prompts = states
        self._empty = empty.to(device).expand(slots, -1, -1)
        self._shape = shape
        self._between = guidance
        self._device = device
        self._random = torch.Generator().manual_seed(seed)
        self._latents = torch.empty((slots, *shape), device=device)
        self._states = torch.empty((slots, *states.shape[1:]), device=device)
        self._guidance = torch.empty((slots, 1, 1, 1), device=device)
        self._left: list[list[tuple[int, int]]] = [[] for _ in range(slots)]
        """Steps to come of each slot, as pairs of timesteps; the last one leads to -1."""

    def __iter__(self) -> Iterator[TeacherCall]:
        # All slots start in pure noise; their lengths differ, so they soon are everywhere.
        for slot in range(len(self._left)):
            self._restart(slot)
        while True:
            yield self._call()

    @torch.no_grad()
    def _call(self) -> TeacherCall:
        """Predict with the teacher for all slots, and take their next steps."""
        now, after = (
            torch.tensor([steps[0][end] for steps in self._left], device=self._device)
            for end in (0, 1)
        )
        sample = self._latents.repeat(2, 1, 1, 1)
        timestep = now.repeat(2).float()
        states = torch.cat([self._states, self._empty])
        call = TeacherCall(
            sample=sample,
            timestep=timestep,
            states=states,
            output=predict(self._teacher, sample, timestep, states),
            guidance=self._guidance.clone(),
        )
        self._latents = self._schedule.step(self._latents, call.guided(call.output), now, after)
        for slot, steps in enumerate(self._left):
            steps.pop(0)
            if not steps:
                self._restart(slot)
        return call

    def _restart(self, slot: int) -> None:
        """Begin a new trajectory."""
        prompt = self._number(0, len(self._prompts) - 1)
        self._states[slot] = self._prompts[prompt].to(self._device)
        self._latents[slot] = torch.randn(self._shape, generator=self._random).to(self._device)
        least, most = self._between
        self._guidance[slot] = least + float(torch.rand((), generator=self._random)) * (
            most - least
        )
        self._left[slot] = self._schedule.pairs(self._number(*STEPS))

    def _number(self, least: int, most: int) -> int:
        return int(torch.randint(least, most + 1, (), generator=self._random))


class _Schedule:
    """DDIM steps between any two timesteps, each row at its own."""

    def __init__(self, scheduler: DDPMScheduler) -> None:
        self._length = scheduler.config.num_train_timesteps
        self._prediction = scheduler.config.prediction_type
        # Timestep -1 is the end: no noise is left.
        self._signal = torch.cat([scheduler.alphas_cumprod, torch.ones(1)]).double()

    def pairs(self, steps: int) -> list[tuple[int, int]]:
        """List a schedule of evenly spaced timesteps that begins with pure noise."""
        times = torch.linspace(self._length - 1, -1, steps + 1).round().long().tolist()
        return list(pairwise(times))

    def step(
        self, latents: torch.Tensor, predicted: torch.Tensor, now: torch.Tensor, after: torch.Tensor
    ) -> torch.Tensor:
        """Step from the timesteps `now` to `after`, (rows,) int64."""
        alpha, sigma = self._levels(now, latents)
        if self._prediction == "v_prediction":
            clean = alpha * latents - sigma * predicted
            noise = alpha * predicted + sigma * latents
        elif self._prediction == "sample":
            clean, noise = predicted, (latents - alpha * predicted) / sigma
        else:
            clean, noise = (latents - sigma * predicted) / alpha, predicted
        alpha, sigma = self._levels(after, latents)
        return alpha * clean + sigma * noise

    def _levels(
        self, timesteps: torch.Tensor, like: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        signal = self._signal.to(like.device)[timesteps].reshape(-1, 1, 1, 1)
        return signal.sqrt().to(like.dtype), (1 - signal).sqrt().to(like.dtype)


PROMPTS = 256
"""What the teacher draws; its noise and guidance are new each time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Teacher:
    """A UNet, and what it does when it draws."""

    unet: UNet2DConditionModel
    calls: Iterator[TeacherCall]
    """Endless."""


def load_teacher(
    source: Path, *, rows: int, device: Device, seed: int, guidance_scale: float | None = None
) -> Teacher:
    """Load a diffusers folder's UNet, and let it draw its own prompts at its usual size.

    Args:
        source: The folder.
        rows: Rows of each call, rounded down to an even number, at least 2.
        device: Where to compute, in FP32 whatever the device's mixed precision.
        seed: Of noise, prompts and guidance.
        guidance_scale: Of every trajectory; None: of each another one, around the usual.
    """
    profile = read_profile(source)
    defaults = profile.defaults
    widest = WIDEST_GUIDANCE * max(defaults.guidance_scale, 1.0)
    texts = load_text_encoder(source)
    states = texts.encode([*calibration_prompts(profile, PROMPTS), ""])
    unet = load_unet(source).to(device.name)
    scale = scale_factor(read_vae(source / "vae"))
    trajectories = Trajectories(
        unet,
        load_scheduler(source),
        states[:-1],
        states[-1:],
        shape=(unet.config.in_channels, defaults.height // scale, defaults.width // scale),
        slots=max(1, rows // 2),
        guidance=(1.0, widest) if guidance_scale is None else (guidance_scale, guidance_scale),
        device=device.name,
        seed=seed,
    )
    return Teacher(unet=unet, calls=iter(trajectories))
