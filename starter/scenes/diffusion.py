"""The UNet: learns to denoise latents under a caption."""

from contextlib import AbstractContextManager
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from modelkit.training.course import Average
from starter.scenes.composition import SIZE
from starter.scenes.text_encoder import WIDTH


def build_unet(widths: tuple[int, ...] = (96, 160, 224), *, channels: int) -> UNet2DConditionModel:
    """Make an untrained UNet on (channels, 16, 16) latents, of these widths at its three levels."""
    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        in_channels=channels,
        out_channels=channels,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=widths,
        # diffusers reads this as the number of heads: 32 channels each.
        attention_head_dim=tuple(width // 32 for width in widths),
        layers_per_block=1,
        norm_num_groups=32,
        cross_attention_dim=WIDTH,
    )


def build_scheduler() -> DDIMScheduler:
    """Make Stable Diffusion's noise schedule with v-prediction (Salimans and Ho, 2022)."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def restore_unet(checkpoint: Path, unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Load the averaged weights of a checkpoint into a UNet, also while training goes on."""
    average = Average(unet, 0)
    average.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    average.copy_to(unet)
    return unet.eval()


def velocity_loss(
    unet: UNet2DConditionModel,
    scheduler: DDIMScheduler,
    latents: torch.Tensor,
    states: torch.Tensor,
    weights: torch.Tensor,
    precision: AbstractContextManager[object],
) -> torch.Tensor:
    """Return how far the UNet is from the velocity of latents with noise, as a mean square.

    Args:
        unet: What is trained.
        scheduler: Its noise.
        latents: (rows, 4, 16, 16), of unit variance.
        states: Of their captions, (rows, 77, width).
        weights: Of the channels' errors, (1, 4, 1, 1).
        precision: What the UNet's pass runs in.
    """
    noise = torch.randn_like(latents)
    # Evenly spread over the batch they make the loss, and so the steps, less noisy.
    spread = _mostly_late((torch.arange(len(latents)) + torch.rand(1)) / len(latents))
    timesteps = (spread * scheduler.config.num_train_timesteps).long().to(latents.device)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    velocity = scheduler.get_velocity(latents, noise, timesteps)
    with precision:
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        predicted = unet(noisy, timesteps, states).sample
    return ((predicted.float() - velocity).square() * weights).mean()


def _mostly_late(spread: torch.Tensor) -> torch.Tensor:
    """Put seven tenths of the timesteps into the noisiest two fifths.

    There it is decided what a picture shows (docs/decisions/0083).
    """
    early = 0.3
    return torch.where(spread < early, 2 * spread, 0.6 + 0.4 * (spread - early) / (1 - early))
