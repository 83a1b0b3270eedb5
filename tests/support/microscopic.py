"""A model of a few kilobytes with random weights, in every part like a real one.

It exercises the real code (export, loading, batching, storing) at next to no cost: the tests run
on it, and the system benchmark measures everything but the model with it. Its images are noise.
"""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from bundles.manifest import Defaults, Sizes
from modelkit.export.source import PROFILE, Profile
from starter.scenes.captions import corpus
from starter.tokenizer import VOCABULARY, build_tokenizer, save_tokenizer

_WIDTH = 16
"""Features of the text encoder, and channels of everything else, in halves of it."""


def save_microscopic(folder: Path, *, seed: int = 0, levels: int = 4) -> Path:
    """Write the model to `folder` in the diffusers layout; the same seed gives the same bytes.

    Its latents have a pixel for each square of 2 ** (levels - 1) pixels' side.
    """
    torch.manual_seed(seed)
    tokenizer = build_tokenizer(corpus())
    StableDiffusionPipeline(
        vae=_autoencoder(levels),
        text_encoder=_text_encoder(),
        tokenizer=tokenizer,
        unet=_unet(),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    save_tokenizer(tokenizer, folder / "tokenizer")
    profile = Profile(
        name="microscopic",
        licence="Apache-2.0",
        defaults=Defaults(steps=2, guidance_scale=1.0, scheduler="ddim", width=32, height=32),
        sizes=Sizes(min=32, max=128, multiple_of=16, tested=((32, 32),)),
    )
    (folder / PROFILE).write_text(profile.model_dump_json())
    return folder


def _autoencoder(levels: int) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(_WIDTH // 2,) * levels,
        norm_num_groups=4,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def _text_encoder() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=_WIDTH,
            intermediate_size=_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1,
        )
    )


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(_WIDTH // 2, _WIDTH // 2),
        attention_head_dim=2,
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=_WIDTH,
    )
