"""Puts trained parts together as a diffusers pipeline folder."""

import os
import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTokenizer

from modelkit.export.configuration import autoencoder_class
from modelkit.export.source import PROFILE, Profile
from modelkit.training.target import forget_path
from starter.scenes.diffusion import build_scheduler
from starter.scenes.text_encoder import restore_text_encoder
from starter.tokenizer import save_tokenizer


def assemble(
    folder: Path,
    target: Path,
    *,
    profile: Profile,
    tokenizer: CLIPTokenizer,
    unet: UNet2DConditionModel,
    judge: str,
) -> None:
    """Write `target` from the checkpoints in `folder`: Stable Diffusion's layout in FP16.

    Reads vae/ and text.pt. It is written aside and renamed over the old one.

    Args:
        folder: Of the training.
        target: The pipeline's folder.
        profile: What it says of itself.
        tokenizer: Of its captions.
        unet: The trained one.
        judge: Name of the folder of the classifier, which goes along where there is one.
    """
    kind = autoencoder_class(folder / "vae")
    pipeline = StableDiffusionPipeline(
        vae=kind.from_pretrained(folder / "vae", use_safetensors=True),
        text_encoder=restore_text_encoder(folder / "text.pt"),
        tokenizer=tokenizer,
        unet=unet,
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
    (aside / PROFILE).write_text(profile.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if (folder / judge).exists():
        shutil.copytree(folder / judge, aside / judge)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(aside, target)
