"""A pipeline of Stable Diffusion 1.5's size with random weights: its time is that of the real one.

Its tokenizer is the starter's; its images are noise.
"""

import os
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from starter import SOURCE

UNET = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
}
"""As in the model's own unet/config.json; what is not named is the default of `diffusers`."""

AUTOENCODER = {
    "sample_size": 512,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}

TEXT_ENCODER = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}


def full_size(cache: Path) -> Path:
    """Give the pipeline's folder in diffusers' layout, weights in FP16; made once (2 GB)."""
    folder = cache / "sd15-random"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=cache))
    _pipeline().save_pretrained(aside)
    shutil.copytree(SOURCE / "tokenizer", aside / "tokenizer", dirs_exist_ok=True)
    os.replace(aside, folder)
    return folder


def _pipeline() -> StableDiffusionPipeline:
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(SOURCE / "tokenizer", local_files_only=True)
    return StableDiffusionPipeline(
        unet=UNet2DConditionModel(**UNET).half(),
        vae=AutoencoderKL(**AUTOENCODER).half(),
        text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER)).half(),
        tokenizer=tokenizer,
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
    )
