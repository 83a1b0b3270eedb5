"""Microscopic models of every kind that reads requests in its own way."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel

from tests.support.microscopic import save_microscopic

VECTORS = {"<cat>": 4, "Sofa": 2, "<one>": 1}
"""Tokens of textual inversion, and how many vectors each has."""


def save_loud(folder: Path) -> Path:
    """Write a model whose images show every change of what it is given."""
    save_microscopic(folder)
    pipeline = load(folder)
    with torch.no_grad():
        for name, weights in pipeline.unet.named_parameters():
            if "attn2.to_out" in name or "attn2.to_v" in name:
                weights.mul_(8)
        pipeline.vae.decoder.conv_out.weight.mul_(4)
    pipeline.save_pretrained(folder)
    return folder


def teach(folder: Path) -> None:
    """Teach a model tokens of textual inversion."""
    pipeline = load(folder)
    chance = torch.Generator().manual_seed(3)
    width = pipeline.text_encoder.config.hidden_size
    for token, vectors in VECTORS.items():
        values = torch.randn(vectors, width, generator=chance)
        pipeline.load_textual_inversion({token: values}, token=token)
    pipeline.save_pretrained(folder)


def embed_guidance(folder: Path) -> None:
    """Give a model a UNet that takes the guidance scale as an input, as distilled ones do."""
    torch.manual_seed(4)
    old = UNet2DConditionModel.from_pretrained(folder / "unet")
    unet = UNet2DConditionModel.from_config(old.config, time_cond_proj_dim=8)
    unet.load_state_dict(old.state_dict(), strict=False)
    with torch.no_grad():
        unet.time_embedding.cond_proj.weight.mul_(20)
    unet.save_pretrained(folder / "unet")


def load(folder: Path) -> StableDiffusionPipeline:
    """Load a model as diffusers does."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
