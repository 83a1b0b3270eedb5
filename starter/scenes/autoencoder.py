"""The autoencoder of scenes: a linear code of patches, and a decoder that learns to read it.

A patch of 8x8 pixels becomes the first principal components of such patches, so the encoder is
computed, not trained, and decoder and UNet have a fixed aim from their first step. The decoder
sees neighbouring codes too, and restores more than the linear code alone does.
"""

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import nn
from torch.nn import functional

from starter.scenes.pictures import Pictures, psnr

LATENT_CHANNELS = 32
"""The best linear code of 8x8 pixels reaches 27.1, 29.6 and 32.6 dB on these pictures with 8, 16
and 32 numbers."""

PATCH = 8
ENCODER_WIDTH = 48
"""Two halvings by rearrangement of 3 channels need 48."""
DECODER_WIDTH = 48
DECODER_BLOCKS = (4, 4, 3, 1)
SPREAD = 0.6
"""Root mean square of the codes, which the decoder passes through 3 tanh(x / 3)."""
WHITENING = 0.25
"""Components are divided by their variance to this power. At 0.5 texture would be as loud as light
and colour, and the UNet would spend itself on it; at 0 the decoder would not hear it."""
_PORTION = 64


@dataclass(frozen=True, slots=True)
class PatchCode:
    """Principal components of patches of pixels in [-1, 1]."""

    mean: torch.Tensor
    """Of the patches, (3, 8, 8)."""
    filters: torch.Tensor
    """What a patch is multiplied by, (channels, 3, 8, 8)."""


def fit_code(pictures: Pictures, channels: int = LATENT_CHANNELS) -> PatchCode:
    """Find the principal components of all aligned patches of pictures."""
    total = 3 * PATCH * PATCH
    count, summed, squares = 0, torch.zeros(total).double(), torch.zeros(total, total).double()
    for rows in _portions(len(pictures.pixels)):
        patches = functional.unfold(pictures.batch(rows), PATCH, stride=PATCH)
        flat = patches.transpose(1, 2).reshape(-1, total).double()
        count, summed, squares = count + len(flat), summed + flat.sum(0), squares + flat.T @ flat
    mean = summed / count
    variance, axes = torch.linalg.eigh(squares / count - mean.outer(mean))
    variance, axes = variance.flip(0)[:channels], axes.flip(1)[:, :channels]
    gain = variance**-WHITENING
    gain *= SPREAD / (variance * gain**2).mean().sqrt()
    filters = (axes * gain).T.reshape(channels, 3, PATCH, PATCH)
    return PatchCode(mean.reshape(3, PATCH, PATCH).float(), filters.float())


def build_vae(code: PatchCode) -> AutoencoderTiny:
    """Make an autoencoder whose encoder computes a code exactly; its decoder is untrained.

    Without blocks the encoder of `AutoencoderTiny` is linear. Its convolutions of stride 2 see
    2x2 pixels beside others; weights of one and zero rearrange those into channels, and the last
    halving applies the filters.
    """
    channels = len(code.filters)
    vae = AutoencoderTiny(
        latent_channels=channels,
        encoder_block_out_channels=(ENCODER_WIDTH,) * 4,
        decoder_block_out_channels=(DECODER_WIDTH,) * 4,
        num_encoder_blocks=(0, 0, 0, 0),
        num_decoder_blocks=DECODER_BLOCKS,
        scaling_factor=1 / SPREAD,
    )
    first, *halvings, last = vae.encoder.layers
    with torch.no_grad():
        for layer in vae.encoder.layers:
            layer.weight.zero_()
        first.bias.zero_()
        first.weight[range(3), range(3), 1, 1] = 1
        for depth, layer in zip((3, 12), halvings, strict=False):
            for row in range(2):
                for column in range(2):
                    out = torch.arange(depth) * 4 + row * 2 + column
                    layer.weight[out, torch.arange(depth), 1 + row, 1 + column] = 1
        # The encoder sees pixels in [0, 1].
        halvings[-1].weight[:channels, :, 1:, 1:] = 2 * _as_rearranged(code.filters)
        last.weight[range(channels), range(channels), 1, 1] = 1
        last.bias[:] = -(code.filters * (1 + code.mean)).sum(dim=(1, 2, 3))
    vae.encoder.requires_grad_(False)
    return vae


def _as_rearranged(filters: torch.Tensor) -> torch.Tensor:
    """Arrange filters, (channels, 3, 8, 8), as (channels, 48, 2, 2), as two halvings do pixels."""
    channels = len(filters)
    # Rows and columns: of the last halving, of the second, of the first.
    split = filters.reshape(channels, 3, 2, 2, 2, 2, 2, 2)
    return split.permute(0, 1, 4, 7, 3, 6, 2, 5).reshape(channels, 48, 2, 2)


@torch.no_grad()
def encode(vae: AutoencoderTiny, pictures: Pictures) -> torch.Tensor:
    """Return the codes of all pictures, (count, channels, height / 8, width / 8), unscaled."""
    return torch.cat(
        [vae.encode(pictures.batch(rows)).latents for rows in _portions(len(pictures.pixels))]
    )


@torch.no_grad()
def decoder_psnr(decoder: nn.Module, codes: torch.Tensor, pictures: Pictures) -> float:
    """Measure how well a decoder restores pictures from their codes, in dB."""
    restored = torch.cat([decoder(part) for part in codes.split(_PORTION)])
    return psnr(restored, pictures.batch(np.arange(len(pictures.pixels))))


def restoration_loss(restored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return how far restored images are from the true ones: absolute and squared."""
    return functional.l1_loss(restored, images) + 10 * functional.mse_loss(restored, images)


def _portions(count: int) -> list[np.ndarray]:
    return [np.arange(start, min(start + _PORTION, count)) for start in range(0, count, _PORTION)]
