"""Tiny random models in the layouts and with the configurations of real ones.

Only sizes differ: channels, layers and the vocabulary. What real files leave out is left out here,
what they name is named, and files are called and split as they are there.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from bundles.manifest import Defaults, Sizes
from modelkit.export.source import PROFILE, Profile
from starter.scenes.captions import corpus
from starter.tokenizer import VOCABULARY, build_tokenizer, save_tokenizer

Config = dict[str, Any]

WIDTH = 32
"""Features of a text's tokens."""

XL_WIDTH, XL_POOLED = 48, 40
"""The same of Stable Diffusion XL's second text encoder, and features of a whole text."""

LATENTS = 50.0
"""How large latents are that reach a decoder, about."""

LATENT_CHANNELS = 4

BETAS: Config = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}  # fmt: skip

UNET: Config = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "attention_head_dim": 4,
    "block_out_channels": [16, 32, 32, 32],
    "center_input_sample": False,
    "cross_attention_dim": WIDTH,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 1,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 8,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
}
"""As Stable Diffusion 1.5's file names it."""

VAE: Config = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "block_out_channels": [8, 8, 8, 8],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
"""The same: without a scaling factor, which its version of diffusers did not know."""

TEXT: Config = {
    "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0,
    "bos_token_id": VOCABULARY - 2,
    "eos_token_id": VOCABULARY - 1,
    "hidden_act": "quick_gelu",
    "hidden_size": WIDTH,
    "initializer_range": 0.02,
    "intermediate_size": 2 * WIDTH,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "pad_token_id": 1,
    "vocab_size": VOCABULARY,
}

SECOND: Config = {"use_linear_projection": True, "attention_head_dim": [2, 4, 4, 4]}
"""What Stable Diffusion 2's UNets add."""


OPENCLIP: Config = {"hidden_act": "gelu", "num_hidden_layers": 23, "projection_dim": 16}
"""Stable Diffusion 2's text encoder: that of 24 layers without its last."""


XL_UNET: Config = {
    "_diffusers_version": "0.19.0.dev0",
    "addition_embed_type": "text_time",
    "addition_embed_type_num_heads": 64,
    "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4, 4],
    "block_out_channels": [16, 32, 32],
    "class_embed_type": None,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_dim": WIDTH + XL_WIDTH,
    "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2],
    "dual_cross_attention": False,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "num_class_embeds": None,
    "only_cross_attention": False,
    "projection_class_embeddings_input_dim": 6 * 8 + XL_POOLED,
    "resnet_time_scale_shift": "default",
    "sample_size": 128,
    "time_cond_proj_dim": None,
    "time_embedding_type": "positional",
    "transformer_layers_per_block": [1, 2, 3],
    "up_block_types": [*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"],
    "upcast_attention": None,
    "use_linear_projection": True,
}
"""As Stable Diffusion XL's file names it, which has 10 transformer layers at its deepest."""

XL_VAE: Config = {
    "_diffusers_version": "0.20.0.dev0",
    "force_upcast": True,
    "sample_size": 1024,
    "scaling_factor": 0.13025,
}

XL_TEXT: Config = {"num_hidden_layers": 3, "projection_dim": WIDTH}

XL_SECOND_TEXT: Config = {
    "architectures": ["CLIPTextModelWithProjection"],
    "hidden_act": "gelu",
    "hidden_size": XL_WIDTH,
    "intermediate_size": 2 * XL_WIDTH,
    "num_hidden_layers": 4,
    "projection_dim": XL_POOLED,
}

XL_SCHEDULER: Config = {
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", **BETAS,
    "clip_sample": False, "interpolation_type": "linear", "prediction_type": "epsilon",
    "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True,
    "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": None,
    "use_karras_sigmas": False,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RealLayout:
    """What one real model's files say, and how they lie."""

    name: str
    scheduler: Config
    pipeline: str = "StableDiffusionPipeline"
    unet: Config = field(default_factory=dict)
    vae: Config = field(default_factory=dict)
    text: Config = field(default_factory=dict)
    second_text: Config | None = None
    """Of the second text encoder; None: there is none."""
    zeroes_empty_negative: bool = True
    """Where there are two: what model_index.json says of prompts that are empty."""
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values that a part's file does not name, by the part's folder."""
    variant: str | None = None
    shards: int = 1
    """Files of the UNet's weights."""
    pad: str | None = None
    """What texts are filled up with, where it is not the end token."""
    slow_tokenizer: bool = False
    """Whether the tokenizer is vocab.json and merges.txt only, as it was before tokenizer.json."""
    guidance: float = 3.0
    guidance_rescale: float = 0.0
    steps: int = 5


def _xl(
    name: str,
    *,
    pipeline: str = "StableDiffusionXLPipeline",
    unet: Config | None = None,
    scheduler: Config | None = None,
    **values: Any,
) -> RealLayout:
    """Return a layout of Stable Diffusion XL's shape."""
    return RealLayout(
        name=name,
        pipeline=pipeline,
        unet=XL_UNET | (unet or {}),
        vae=XL_VAE,
        text=XL_TEXT,
        second_text=XL_SECOND_TEXT,
        scheduler=XL_SCHEDULER | (scheduler or {}),
        **values,
    )


LAYOUTS = (
    RealLayout(
        name="Stable Diffusion 1.5, files of diffusers 0.6",
        slow_tokenizer=True,
        scheduler={
            "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", **BETAS,
            "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
            "trained_betas": None, "clip_sample": False,
        },
    ),
    RealLayout(
        name="Stable Diffusion 1, first files (no offset, clipping left out)",
        unet={"sample_size": 32, "_diffusers_version": "0.2.2"},
        scheduler={
            "_class_name": "DDIMScheduler", "_diffusers_version": "0.2.2", **BETAS,
            "set_alpha_to_one": False,
        },
    ),
    RealLayout(
        name="Stable Diffusion 2.1-base",
        unet={**SECOND, "_diffusers_version": "0.10.0.dev0", "dual_cross_attention": False,
              "only_cross_attention": False, "num_class_embeds": None},
        vae={"_diffusers_version": "0.10.0.dev0"},
        text=OPENCLIP,
        pad="!",
        scheduler={
            "_class_name": "PNDMScheduler", "_diffusers_version": "0.10.0.dev0", **BETAS,
            "clip_sample": False, "prediction_type": "epsilon", "set_alpha_to_one": False,
            "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
        },
    ),
    RealLayout(
        name="Stable Diffusion 2.1 (v-prediction, 768 pixels)",
        unet={**SECOND, "_diffusers_version": "0.10.0.dev0", "sample_size": 96,
              "upcast_attention": True},
        vae={"_diffusers_version": "0.10.0.dev0", "sample_size": 768},
        text=OPENCLIP,
        pad="!",
        scheduler={
            "_class_name": "DDIMScheduler", "_diffusers_version": "0.8.0", **BETAS,
            "clip_sample": False, "prediction_type": "v_prediction", "set_alpha_to_one": False,
            "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
        },
    ),
    RealLayout(
        name="v-prediction with zero terminal SNR, guidance rescaled by 0.7",
        guidance_rescale=0.7,
        unet={"_diffusers_version": "0.21.4"},
        vae={"_diffusers_version": "0.21.4", "scaling_factor": 0.18215},
        scheduler={
            "_class_name": "DDIMScheduler", "_diffusers_version": "0.21.4", **BETAS,
            "clip_sample": False, "prediction_type": "v_prediction", "set_alpha_to_one": False,
            "rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "steps_offset": 1,
        },
    ),
    RealLayout(
        name="Dreamshaper 8 (DEIS)",
        unet={"_diffusers_version": "0.18.0.dev0"},
        vae={"_diffusers_version": "0.18.0.dev0", "scaling_factor": 0.18215},
        scheduler={
            "_class_name": "DEISMultistepScheduler", "_diffusers_version": "0.18.0.dev0", **BETAS,
            "algorithm_type": "deis", "clip_sample": False, "clip_sample_range": 1.0,
            "dynamic_thresholding_ratio": 0.995, "lower_order_final": True,
            "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False,
            "skip_prk_steps": True, "solver_order": 2, "solver_type": "logrho", "steps_offset": 1,
            "thresholding": False, "timestep_spacing": "leading", "trained_betas": None,
        },
    ),
    RealLayout(
        name="DPM++ SDE Karras, FP16 files, UNet in three",
        unet={"_diffusers_version": "0.23.1"},
        vae={"_diffusers_version": "0.23.1", "scaling_factor": 0.18215},
        variant="fp16",
        shards=3,
        scheduler={
            "_class_name": "DPMSolverMultistepScheduler", "_diffusers_version": "0.23.1", **BETAS,
            "algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True, "solver_order": 2,
            "prediction_type": "epsilon", "lower_order_final": True, "steps_offset": 1,
            "timestep_spacing": "leading",
        },
    ),
    RealLayout(
        name="SD-Turbo",
        unet={**SECOND, "_diffusers_version": "0.24.0.dev0"},
        vae={"_diffusers_version": "0.24.0.dev0", "sample_size": 768, "scaling_factor": 0.18215},
        text={"hidden_act": "gelu", "projection_dim": 16},
        scheduler={
            "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.24.0.dev0", **BETAS,
            "clip_sample": False, "interpolation_type": "linear", "prediction_type": "epsilon",
            "set_alpha_to_one": False, "sigma_max": None, "sigma_min": None,
            "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "trailing",
            "timestep_type": "discrete", "trained_betas": None, "use_karras_sigmas": False,
        },
        guidance=0.0,
        steps=2,
    ),
    RealLayout(
        name="LCM Dreamshaper 7",
        pipeline="LatentConsistencyModelPipeline",
        unet={"_diffusers_version": "0.22.0.dev0", "time_cond_proj_dim": 16},
        vae={"_diffusers_version": "0.22.0.dev0", "sample_size": 768, "scaling_factor": 0.18215},
        scheduler={
            "_class_name": "LCMScheduler", "_diffusers_version": "0.22.0.dev0", **BETAS,
            "clip_sample": False, "clip_sample_range": 1.0, "original_inference_steps": 50,
            "prediction_type": "epsilon", "set_alpha_to_one": True, "steps_offset": 0,
            "thresholding": False, "timestep_spacing": "leading", "trained_betas": None,
        },
        guidance=8.0,
        steps=4,
    ),
    _xl("Stable Diffusion XL 1.0"),
    _xl(
        "SSD-1B (half of Stable Diffusion XL)",
        unet={
            "_diffusers_version": "0.23.0.dev0", "mid_block_type": "UNetMidBlock2D",
            "transformer_layers_per_block": [0, [2, 2], [4, 4]],
            "reverse_transformer_layers_per_block": [[4, 4, 5], [2, 1, 1], 0],
            "layers_per_block": 2,
        },
        scheduler={"timestep_spacing": "trailing"},
        guidance=9.0,
    ),
    _xl(
        "SDXL-Turbo",
        unet={"_diffusers_version": "0.24.0.dev0", "sample_size": 64},
        scheduler={
            "_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing",
        },
        guidance=0.0,
        steps=2,
    ),
    _xl(
        "LCM-SDXL (the empty negative prompt is read)",
        unet={"time_cond_proj_dim": 16},
        scheduler={"_class_name": "LCMScheduler", "original_inference_steps": 50},
        guidance=8.0,
        steps=4,
        zeroes_empty_negative=False,
    ),
    _xl(
        "SDXL-Lightning (4 steps)",
        scheduler={"timestep_spacing": "trailing"},
        guidance=0.0,
        steps=4,
    ),
    RealLayout(
        name="BK-SDM-Tiny (three levels, no middle block)",
        unet={
            "_diffusers_version": "0.17.0.dev0", "block_out_channels": [16, 32, 32],
            "down_block_types": ["CrossAttnDownBlock2D"] * 3, "layers_per_block": 1,
            "mid_block_type": None, "up_block_types": ["CrossAttnUpBlock2D"] * 3,
        },
        scheduler={
            "_class_name": "PNDMScheduler", "_diffusers_version": "0.17.0.dev0", **BETAS,
            "clip_sample": False, "prediction_type": "epsilon", "set_alpha_to_one": False,
            "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
        },
    ),
    RealLayout(
        name="Stable Diffusion 1.5 for inpainting (9 channels)",
        pipeline="StableDiffusionInpaintPipeline",
        unet={"in_channels": 9},
        scheduler={
            "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", **BETAS,
            "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
            "trained_betas": None, "clip_sample": False,
        },
    ),
    RealLayout(
        name="Stable Diffusion 2 for inpainting (9 channels)",
        pipeline="StableDiffusionInpaintPipeline",
        unet={**SECOND, "_diffusers_version": "0.10.0.dev0", "in_channels": 9},
        vae={"_diffusers_version": "0.10.0.dev0"},
        text=OPENCLIP,
        pad="!",
        scheduler={
            "_class_name": "PNDMScheduler", "_diffusers_version": "0.10.0.dev0", **BETAS,
            "clip_sample": False, "prediction_type": "epsilon", "set_alpha_to_one": False,
            "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
        },
    ),
    _xl(
        "Stable Diffusion XL for inpainting (9 channels)",
        pipeline="StableDiffusionXLInpaintPipeline",
        unet={"_diffusers_version": "0.21.0.dev0", "in_channels": 9},
    ),
)  # fmt: skip


def save_layout(layout: RealLayout, folder: Path, *, seed: int = 0) -> Path:
    """Write a model to `folder`; the same seed gives the same weights.

    Images show their prompts, and what is far from 0 in the autoencoder's latents: a fault in
    scaling, scheduling or reading texts is tens of decibels large.
    """
    torch.manual_seed(seed)
    configs = {
        "text_encoder": _without(layout, "text_encoder", TEXT | layout.text),
        "unet": _without(layout, "unet", UNET | layout.unet),
        "vae": _without(layout, "vae", VAE | layout.vae),
    }
    encoder = CLIPTextModel(CLIPTextConfig(**configs["text_encoder"]))
    second = None
    if layout.second_text is not None:
        configs["text_encoder_2"] = TEXT | layout.second_text
        second = CLIPTextModelWithProjection(CLIPTextConfig(**configs["text_encoder_2"]))
    unet = UNet2DConditionModel.from_config(configs["unet"])
    vae = AutoencoderKL.from_config(configs["vae"])
    parts: dict[str, Any] = {"text_encoder": encoder, "unet": unet, "vae": vae}
    if second is not None:
        parts["text_encoder_2"] = second
    for part in parts.values():
        _disturb(part)
    _show(encoder, unet, vae)
    for name, part in parts.items():
        # diffusers' own `half` warns of casting.
        stored = nn.Module.half(part) if layout.variant == "fp16" else part
        size = _shard_bytes(stored, layout.shards if name == "unet" else 1)
        stored.save_pretrained(folder / name, variant=layout.variant, max_shard_size=size)
        _write(folder / name / "config.json", configs[name])
    _write(folder / "scheduler" / "scheduler_config.json", layout.scheduler)
    tokenizer = build_tokenizer(corpus())
    if layout.pad is not None:
        tokenizer.pad_token = layout.pad
    save_tokenizer(tokenizer, folder / "tokenizer")
    if second is not None:
        # As OpenCLIP does it.
        other = build_tokenizer(corpus())
        other.pad_token = "!"
        save_tokenizer(other, folder / "tokenizer_2")
    if layout.slow_tokenizer:
        (folder / "tokenizer" / "tokenizer.json").unlink()
    _write(folder / "model_index.json", _index(layout))
    profile = Profile(
        name="parity",
        licence="Apache-2.0",
        defaults=Defaults(
            steps=layout.steps, guidance_scale=layout.guidance,
            guidance_rescale=layout.guidance_rescale, width=64, height=64,
            scheduler="lcm" if "LCM" in layout.scheduler["_class_name"] else "ddim",
        ),
        sizes=Sizes(min=64, max=128, multiple_of=8, tested=((64, 64),)),
    )  # fmt: skip
    (folder / PROFILE).write_text(profile.model_dump_json(), encoding="utf-8")
    return folder


def _without(layout: RealLayout, part: str, config: Config) -> Config:
    left_out = layout.without.get(part, ())
    return {name: value for name, value in config.items() if name not in left_out}


def _index(layout: RealLayout) -> Config:
    index: Config = {
        "_class_name": layout.pipeline,
        "_diffusers_version": layout.unet.get("_diffusers_version", "0.6.0"),
        "scheduler": ["diffusers", layout.scheduler["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    if layout.second_text is None:
        return index | {"feature_extractor": [None, None], "safety_checker": [None, None]}
    return index | {
        "force_zeros_for_empty_prompt": layout.zeroes_empty_negative,
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
    }


@torch.no_grad()
def _disturb(part: nn.Module) -> None:
    """Give biases and norms values of their own: as they are initialised, they do nothing."""
    for name, parameter in part.named_parameters():
        if name.endswith("bias") or "norm" in name:
            parameter.add_(0.2 * torch.randn_like(parameter))
        elif "attn2.to_out" in name or "attn2.to_v" in name:
            # Prompts matter.
            parameter.mul_(4)


@torch.no_grad()
def _show(encoder: CLIPTextModel, unet: UNet2DConditionModel, vae: AutoencoderKL) -> None:
    """Scale what comes out: predictions like noise, images with contrast."""
    options: Config = {}
    if unet.config.time_cond_proj_dim:
        options["timestep_cond"] = torch.zeros(1, unet.config.time_cond_proj_dim)
    states = encoder(torch.randint(0, VOCABULARY, (1, 77))).last_hidden_state
    if unet.config.addition_embed_type == "text_time":
        states = torch.randn(1, 77, unet.config.cross_attention_dim)
        size = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]])
        options["added_cond_kwargs"] = {"text_embeds": torch.randn(1, XL_POOLED), "time_ids": size}
    predicted = unet(
        torch.randn(1, unet.config.in_channels, 8, 8), torch.tensor([500]), states, **options
    ).sample
    _scale(unet.conv_out, 1 / predicted.std())
    if unet.config.in_channels > LATENT_CHANNELS:
        _show_kept(unet, vae)
    # Random UNets leave latents far from 0, and the norms behind it would hide how far.
    vae.post_quant_conv.weight.mul_(1 / LATENTS)
    vae.post_quant_conv.bias.normal_()
    decoded = vae.decode(torch.randn(1, 4, 8, 8) * LATENTS).sample
    _scale(vae.decoder.conv_out, 0.5 / decoded.std())
    nn.init.zeros_(vae.decoder.conv_out.bias)


def _show_kept(unet: UNet2DConditionModel, vae: AutoencoderKL) -> None:
    """Have a UNet that inpaints see the mask and what is kept: more of it, and less noise on it."""
    vae.quant_conv.weight[:LATENT_CHANNELS].mul_(20)
    vae.quant_conv.bias[LATENT_CHANNELS:].sub_(6)
    unet.conv_in.weight[:, LATENT_CHANNELS:].mul_(4)


def _scale(layer: nn.Module, factor: torch.Tensor) -> None:
    for parameter in layer.parameters():
        parameter.mul_(factor)


def _shard_bytes(part: nn.Module, shards: int) -> int:
    size = sum(one.numel() * one.element_size() for one in part.parameters())
    return math.ceil(size / shards * 1.05)


def _write(path: Path, content: Config) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
