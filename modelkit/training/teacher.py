"""The model that a student learns from: the source itself, in floating point and unmerged."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from diffusers import UNet2DConditionModel

from modelkit.export.source import read_profile
from modelkit.prompts import calibration_prompts
from modelkit.training.device import Device
from modelkit.training.models import load_scheduler, load_text_encoder, load_unet, pixels_per_latent
from modelkit.training.trajectories import Call, Trajectories

PROMPTS = 256
"""What the teacher draws; its noise and guidance are new each time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Teacher:
    """A UNet, and what it does when it draws."""

    unet: UNet2DConditionModel
    calls: Iterator[Call]
    """Endless."""


def load_teacher(source: Path, *, rows: int, device: Device, seed: int) -> Teacher:
    """Load a diffusers folder's UNet, and let it draw its own prompts at its usual size.

    Args:
        source: The folder.
        rows: Rows of each call, rounded down to an even number, at least 2.
        device: Where to compute, in FP32 whatever the device's mixed precision.
        seed: Of noise, prompts and guidance.
    """
    profile = read_profile(source)
    defaults = profile.defaults
    texts = load_text_encoder(source)
    states = texts.encode([*calibration_prompts(profile, PROMPTS), ""])
    unet = load_unet(source).to(device.name)
    scale = pixels_per_latent(source)
    trajectories = Trajectories(
        unet,
        load_scheduler(source),
        states[:-1],
        states[-1:],
        shape=(unet.config.in_channels, defaults.height // scale, defaults.width // scale),
        slots=max(1, rows // 2),
        guidance_scale=defaults.guidance_scale,
        device=device.name,
        seed=seed,
    )
    return Teacher(unet=unet, calls=iter(trajectories))
