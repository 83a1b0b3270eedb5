"""The parts of a bundle beside the UNet: text encoder, VAE decoder and encoder.

Inputs and outputs are named as in the Hub's OpenVINO layout, so that
`optimum.intel.OVStableDiffusionPipeline` loads bundles too.
"""

from pathlib import Path

import openvino as ov
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import CLIPTextModel

from modelkit.export.conversion import DYNAMIC, convert, load_part


def convert_text_encoder(folder: Path) -> ov.Model:
    """Convert a CLIP text encoder.

    Input: `input_ids` (texts, tokens) int64. Outputs: `last_hidden_state` (texts, tokens, features)
    and `pooler_output` (texts, features), float32.

    Args:
        folder: A source's `text_encoder` folder.

    Raises:
        BundleError: The folder holds no such encoder.
    """
    encoder = load_part(CLIPTextModel, folder)
    length = encoder.config.max_position_embeddings
    return convert(
        _Encode(encoder),
        {"input_ids": torch.ones(2, length, dtype=torch.int64)},
        {"input_ids": [DYNAMIC, DYNAMIC]},
        outputs=["last_hidden_state", "pooler_output"],
    )


def convert_vae_decoder(folder: Path) -> ov.Model:
    """Convert the decoder of an autoencoder.

    Input: `latent_sample` (images, channels, height, width). Output: `sample` (images, 3, pixels,
    pixels), mostly within -1 to 1; both float32.

    Args:
        folder: A source's `vae` folder.

    Raises:
        BundleError: The folder holds no such autoencoder.
    """
    vae = load_part(AutoencoderKL, folder)
    channels = vae.config.latent_channels
    return convert(
        _Decode(vae),
        {"latent_sample": torch.zeros(2, channels, 5, 7)},
        {"latent_sample": [DYNAMIC, channels, DYNAMIC, DYNAMIC]},
        outputs=["sample"],
    )


def convert_vae_encoder(folder: Path) -> ov.Model:
    """Convert the encoder of an autoencoder.

    Input: `sample` (images, 3, pixels, pixels) within -1 to 1. Output: `latent_parameters`
    (images, 2 x channels, height, width), means and log-variances; both float32.

    Args:
        folder: A source's `vae` folder.

    Raises:
        BundleError: The folder holds no such autoencoder.
    """
    vae = load_part(AutoencoderKL, folder)
    channels = vae.config.in_channels
    side = 2 ** (len(vae.config.block_out_channels) - 1)
    return convert(
        _Moments(vae),
        {"sample": torch.zeros(2, channels, 5 * side, 7 * side)},
        {"sample": [DYNAMIC, channels, DYNAMIC, DYNAMIC]},
        outputs=["latent_parameters"],
    )


class _Encode(nn.Module):
    def __init__(self, encoder: CLIPTextModel) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        # transformers' own mask cannot be traced; a ready one is taken as it is.
        length = input_ids.shape[1]
        never = torch.full((length, length), torch.finfo(torch.float32).min)
        encoded = self.encoder(input_ids, attention_mask=never.triu(1)[None, None])
        return encoded.last_hidden_state, encoded.pooler_output


class _Decode(nn.Module):
    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latent_sample: Tensor) -> Tensor:
        decoded: Tensor = self.vae.decode(latent_sample, return_dict=False)[0]
        return decoded


class _Moments(nn.Module):
    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, sample: Tensor) -> Tensor:
        parameters: Tensor = self.vae.encode(sample).latent_dist.parameters
        return parameters
