"""What a diffusion model is trained on: to predict what was added to noised latents."""

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import compute_snr
from torch.nn import functional

from modelkit.training.device import Device
from modelkit.training.predictor import predict


def denoising_loss(
    unet: UNet2DConditionModel,
    scheduler: DDPMScheduler,
    latents: torch.Tensor,
    states: torch.Tensor,
    *,
    min_snr: float | None,
    device: Device,
    random: torch.Generator,
) -> torch.Tensor:
    """Return the loss of one batch (Ho et al., 2020, arXiv 2006.11239).

    Args:
        unet: The one in training.
        scheduler: The noise schedule, and which of noise, velocity (Salimans and Ho, 2022, arXiv
            2202.00512) and clean latents the UNet predicts.
        latents: Clean ones, (rows, channels, height, width) float32.
        states: Encoded captions, (rows, tokens, width) float32.
        min_snr: Upper bound on the weight of nearly clean rows (Hang et al., 2023, arXiv
            2303.09556; 5 is usual); None weighs all noise levels alike.
        device: Where all of this is.
        random: Source of noise and timesteps, in main memory.
    """
    rows, steps = len(latents), scheduler.config.num_train_timesteps
    noise = torch.randn(latents.shape, generator=random).to(latents.device)
    # Evenly spread timesteps over the batch make the loss, and so the steps, less noisy.
    spread = (torch.arange(rows) + torch.rand(1, generator=random)) / rows
    timesteps = (spread * steps).long().clamp(max=steps - 1).to(latents.device)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    with device.autocast():
        predicted = predict(unet, noisy, timesteps.float(), states)
    wanted = _target(scheduler, latents, noise, timesteps)
    errors = functional.mse_loss(predicted, wanted, reduction="none").mean(dim=(1, 2, 3))
    if min_snr is not None:
        errors = errors * _weights(scheduler, timesteps, min_snr)
    return errors.mean()


def _target(
    scheduler: DDPMScheduler, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    if scheduler.config.prediction_type == "v_prediction":
        return scheduler.get_velocity(latents, noise, timesteps)
    return latents if scheduler.config.prediction_type == "sample" else noise


def _weights(scheduler: DDPMScheduler, timesteps: torch.Tensor, bound: float) -> torch.Tensor:
    """Min-SNR weighs errors of the clean latents with min(SNR, bound); other targets follow."""
    ratio = compute_snr(scheduler, timesteps)
    weights = ratio.clamp(max=bound)
    if scheduler.config.prediction_type == "v_prediction":
        return weights / (ratio + 1)
    return weights if scheduler.config.prediction_type == "sample" else weights / ratio
