"""Pipelines of real models' sizes with random weights: their time is that of the real ones.

Their tokenizers are the starter's; their images are noise.
"""

import os
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import AttnProcessor
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from benchmarks.families import AUTOENCODER, POOLED, SECOND_TEXT_ENCODER, TEXT_ENCODER, UNET, UNETS
from starter import SOURCE

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def full_size(cache: Path, family: str = "sd15") -> Path:
    """Return the pipeline's folder in diffusers' layout, weights in FP16; made once (2 to 7 GB)."""
    folder = cache / f"{family}-random"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=cache))
    torch.manual_seed(0)
    pipeline = _pipeline() if family == "sd15" else _xl_pipeline(family)
    pipeline.save_pretrained(aside)
    for name in ("tokenizer", "tokenizer_2"):
        if (aside / name).is_dir():
            shutil.copytree(SOURCE / "tokenizer", aside / name, dirs_exist_ok=True)
    os.replace(aside, folder)
    return folder


def tera_flop(family: str, size: int) -> float:
    """Count the unmerged UNet's multiplications and additions for a row and step, in 10¹².

    Args:
        family: Of `FAMILIES`.
        size: Of the image, in pixels a side.
    """
    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNETS[family])
        unet.set_attn_processor(AttnProcessor())
        sample = torch.empty(1, 4, size // 8, size // 8)
        states = torch.empty(1, 77, unet.config.cross_attention_dim)
        added = {"text_embeds": torch.empty(1, POOLED), "time_ids": torch.empty(1, 6)}
        with FlopCounterMode(display=False) as counter:
            unet(sample, torch.ones(1), states, added_cond_kwargs=added)
    return counter.get_total_flops() / 1e12


def _tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(SOURCE / "tokenizer", local_files_only=True)


def _pipeline() -> DiffusionPipeline:
    return StableDiffusionPipeline(
        unet=UNet2DConditionModel(**UNET).half(),
        vae=AutoencoderKL(**AUTOENCODER).half(),
        text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER)).half(),
        tokenizer=_tokenizer(),
        scheduler=DDIMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _xl_pipeline(family: str) -> DiffusionPipeline:
    autoencoder = AUTOENCODER | {"sample_size": 1024, "scaling_factor": 0.13025}
    second = CLIPTextConfig(**SECOND_TEXT_ENCODER)
    return StableDiffusionXLPipeline(
        unet=UNet2DConditionModel(**UNETS[family]).half(),
        vae=AutoencoderKL(**autoencoder).half(),
        text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER)).half(),
        text_encoder_2=CLIPTextModelWithProjection(second).half(),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        scheduler=DDIMScheduler(
            **BETAS, clip_sample=False, set_alpha_to_one=False, timestep_spacing="trailing"
        ),
    )
