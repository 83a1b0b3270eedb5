"""Puts trained parts together as a diffusers pipeline folder."""

import os
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from modelkit.export.source import PROFILE
from modelkit.training.target import forget_path
from starter.data.tokenizer import build_tokenizer, save_tokenizer
from starter.training.diffusion import build_scheduler, restore_unet
from starter.training.profile import STARTER
from starter.training.text_encoder import restore_text_encoder


def assemble(folder: Path, target: Path) -> None:
    """Write `target` from the checkpoints in `folder`: Stable Diffusion's layout in FP16.

    Reads vae/, text.pt, unet.pt and classifier/ (which goes along, for evaluation). It is
    written aside and renamed over the old one.
    """
    autoencoder = AutoencoderKL.from_pretrained(folder / "vae", use_safetensors=True)
    tokenizer = build_tokenizer()
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=restore_text_encoder(folder / "text.pt"),
        tokenizer=tokenizer,
        unet=restore_unet(folder / "unet.pt"),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    aside = target.with_name(f"{target.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    pipeline.to(torch.float16).save_pretrained(aside)
    save_tokenizer(tokenizer, aside / "tokenizer")
    forget_path(aside / "vae" / "config.json")
    (aside / PROFILE).write_text(STARTER.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if (folder / "classifier").exists():
        shutil.copytree(folder / "classifier", aside / "classifier")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(aside, target)
