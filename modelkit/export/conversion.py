"""PyTorch modules as OpenVINO models: text encoder, VAE decoder and encoder; the UNet is in `unet`.

Inputs and outputs are named as in the Hub's OpenVINO layout, so that
`optimum.intel.OVStableDiffusionPipeline` loads bundles too.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openvino as ov
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from bundles.layout import POOLED, penultimate_port, taken_states
from core.errors import BundleError, first_line
from modelkit.export.configuration import autoencoder_class, scale_factor
from modelkit.export.weights import find_weights

DYNAMIC = -1
"""A dimension that stays open."""

MODEL_FILE = "openvino_model.xml"
"""What the Hub's OpenVINO layout calls each part's graph; the weights are in the .bin beside it."""


def load_part(kind: Any, folder: Path, *, without: str = "") -> Any:
    """Read a part of a diffusers folder in float32, from safetensors only, for inference.

    Args:
        kind: A model class of diffusers or transformers.
        folder: The part's folder.
        without: How weights begin that nobody needs, and that may be missing.

    Raises:
        BundleError: The folder is not complete, or not of that kind.
    """
    weights = find_weights(folder)
    try:
        model, loaded = kind.from_pretrained(
            folder,
            variant=weights.variant,
            torch_dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise BundleError(_unusable(folder, first_line(error))) from error
    missing = [one for one in loaded["missing_keys"] if not (without and one.startswith(without))]
    if missing:
        # The libraries would go on with random numbers in their place.
        raise BundleError(_unusable(folder, f"no weights for {min(missing)}"))
    return model.eval().requires_grad_(False)


def load_decoder(folder: Path) -> AutoencoderKL | AutoencoderTiny:
    """Read an autoencoder to decode with; a tiny one's folder may hold its decoder alone.

    Raises:
        BundleError: The folder is not complete, or holds no autoencoder.
    """
    kind = autoencoder_class(folder)
    return load_part(kind, folder, without="encoder." if kind is AutoencoderTiny else "")


def _unusable(folder: Path, reason: str) -> str:
    return f"{folder} cannot be used ({reason}): give a complete Stable Diffusion model."


def convert(
    module: nn.Module,
    examples: Mapping[str, Tensor],
    shapes: Mapping[str, Sequence[int]],
    *,
    outputs: Sequence[str],
) -> ov.Model:
    """Trace a module to an OpenVINO model, which shares its weights.

    Args:
        module: Takes tensors by name and gives one tensor, or several.
        examples: Inputs to trace with, by name, in the order of the module's arguments.
        shapes: Each input's shape in the result, DYNAMIC where it stays open.
        outputs: Names of the results.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # Tracing warns of each branch in the models' code; none depends on the data here.
        warnings.simplefilter("ignore")
        # What `ov.convert_model` makes of a module, without tracing a second time to compare.
        traced = TorchScriptPythonDecoder(
            module.eval(), example_input=dict(examples), trace_kwargs={"check_trace": False}
        )
        model = ov.convert_model(
            traced,
            input=[(name, ov.PartialShape(list(shape))) for name, shape in shapes.items()],
        )
    for port, name in zip(model.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    return model


def save(model: ov.Model, path: Path, *, halves: bool) -> None:
    """Write a model as `path` (.xml) and its .bin, with FP32 weights as FP16 when `halves`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, path, compress_to_fp16=halves)


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


def convert_xl_text_encoder(folder: Path, *, projects: bool) -> ov.Model:
    """Convert a text encoder of Stable Diffusion XL.

    Input: `input_ids` (texts, tokens) int64. Outputs: the states before the last layer, or
    as many layers earlier as `clip_skip` in its configuration says, (texts, tokens, features),
    named as `penultimate_port` says; and with a projection `text_embeds` (texts, features). All
    float32.

    Args:
        folder: A source's `text_encoder` or `text_encoder_2` folder.
        projects: Whether it projects what it reads of a whole text: the second one does.

    Raises:
        BundleError: The folder holds no such encoder.
    """
    encoder = load_part(CLIPTextModelWithProjection if projects else CLIPTextModel, folder)
    length = encoder.config.max_position_embeddings
    states = taken_states(encoder.config.to_dict())
    return convert(
        _EncodeTwice(encoder, states) if projects else _EncodePenultimate(encoder, states),
        {"input_ids": torch.ones(2, length, dtype=torch.int64)},
        {"input_ids": [DYNAMIC, DYNAMIC]},
        outputs=[penultimate_port(encoder.config.to_dict()), *([POOLED] if projects else [])],
    )


def convert_vae_decoder(folder: Path) -> ov.Model:
    """Convert the decoder of an autoencoder.

    Input: `latent_sample` (images, channels, height, width). Output: `sample` (images, 3, pixels,
    pixels), mostly within -1 to 1; both float32.

    Args:
        folder: As `decoder_folder` finds it.

    Raises:
        BundleError: The folder holds no such autoencoder.
    """
    vae = load_decoder(folder)
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
    (images, 2 x channels, height, width), means and log-variances; of a tiny autoencoder, which
    knows no variances, `latents` (images, channels, height, width). All float32.

    Args:
        folder: A source's `vae` folder.

    Raises:
        BundleError: The folder holds no such autoencoder.
    """
    kind = autoencoder_class(folder)
    vae = load_part(kind, folder)
    channels = vae.config.in_channels
    side = scale_factor(vae.config)
    tiny = kind is AutoencoderTiny
    return convert(
        _Latents(vae) if tiny else _Moments(vae),
        {"sample": torch.zeros(2, channels, 5 * side, 7 * side)},
        {"sample": [DYNAMIC, channels, DYNAMIC, DYNAMIC]},
        outputs=["latents" if tiny else "latent_parameters"],
    )


class _Encode(nn.Module):
    def __init__(self, encoder: CLIPTextModel) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.encoder(input_ids, attention_mask=_causal_mask(input_ids))
        return encoded.last_hidden_state, encoded.pooler_output


class _EncodePenultimate(nn.Module):
    def __init__(self, encoder: nn.Module, states: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.states = states

    def forward(self, input_ids: Tensor) -> Tensor:
        mask = _causal_mask(input_ids)
        encoded = self.encoder(input_ids, attention_mask=mask, output_hidden_states=True)
        penultimate: Tensor = encoded.hidden_states[self.states]
        return penultimate


class _EncodeTwice(nn.Module):
    def __init__(self, encoder: nn.Module, states: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.states = states

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        mask = _causal_mask(input_ids)
        encoded = self.encoder(input_ids, attention_mask=mask, output_hidden_states=True)
        return encoded.hidden_states[self.states], encoded.text_embeds


def _causal_mask(input_ids: Tensor) -> Tensor:
    """Return a ready mask, which transformers takes as it is; its own cannot be traced."""
    length = input_ids.shape[1]
    never = torch.full((length, length), torch.finfo(torch.float32).min)
    return never.triu(1)[None, None]


class _Decode(nn.Module):
    def __init__(self, vae: AutoencoderKL | AutoencoderTiny) -> None:
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


class _Latents(nn.Module):
    def __init__(self, vae: AutoencoderTiny) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, sample: Tensor) -> Tensor:
        latents: Tensor = self.vae.encode(sample).latents
        return latents
