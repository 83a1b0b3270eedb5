"""A UNet as a function of three tensors."""

import torch
from torch import nn


def predict(
    unet: nn.Module, sample: torch.Tensor, timestep: torch.Tensor, states: torch.Tensor
) -> torch.Tensor:
    """Let a UNet predict noise, velocity or latents, whatever it was trained to.

    Args:
        unet: A `UNet2DConditionModel`, with quantisers in it or not.
        sample: Noisy latents, (rows, channels, height, width) float32.
        timestep: One for each row, (rows,) float32.
        states: Encoded prompts, (rows, tokens, width) float32.

    Returns:
        (rows, channels, height, width), float32 also where it was computed in less.
    """
    predicted: torch.Tensor = unet(sample, timestep, states, return_dict=False)[0]
    return predicted.float()
