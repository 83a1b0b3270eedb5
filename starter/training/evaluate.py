"""Scores the starter model: `python -m starter.training.evaluate [--prompts 200]`.

Prints how often generated pictures of held-out products have the attributes that their prompts
ask for, as the classifier sees it, and how well the autoencoder reconstructs; a JSON line last.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from optimum.intel import OVStableDiffusionPipeline
from PIL import Image

from bundles.manifest import Defaults
from bundles.schedulers import make_scheduler
from core.domain.schedulers import SCHEDULERS
from core.pictures.encoding import encode
from core.pictures.formats import Format
from modelkit.evaluation.comparison import judge, score_attributes
from modelkit.export.conversion import load_part
from modelkit.export.source import read_profile
from starter import SOURCE
from starter.data.attributes import split_products
from starter.data.captions import canonical_caption
from starter.data.dataset import draw_pictures
from starter.training.autoencoder import reconstruction_psnr

Pixels = npt.NDArray[np.uint8]

BATCH = 25


def load_pipeline(model: Path) -> Any:
    """Load a text-to-image pipeline from a diffusers folder, or from a bundle (OpenVINO)."""
    if (model / "unet" / "openvino_model.xml").is_file():
        return OVStableDiffusionPipeline.from_pretrained(model)
    return StableDiffusionPipeline.from_pretrained(
        model, torch_dtype=torch.float32, use_safetensors=True
    )


def generate(pipeline: Any, prompts: Sequence[str], settings: Defaults, seed: int) -> Pixels:
    """Make (count, height, width, 3) uint8: one picture a prompt, the i-th with seed `seed` + i."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = make_scheduler(settings.scheduler, pipeline.scheduler.config)
    parts = []
    for start in range(0, len(prompts), BATCH):
        part = list(prompts[start : start + BATCH])
        generators = [torch.Generator().manual_seed(seed + start + row) for row in range(len(part))]
        images = pipeline(
            part,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance_scale,
            width=settings.width,
            height=settings.height,
            generator=generators,
            output_type="np",
        ).images
        parts.append(np.round(np.asarray(images) * 255).astype(np.uint8))
    return np.concatenate(parts)


def contact_sheet(pictures: Pixels, columns: int = 20) -> Image.Image:
    """Lay all pictures side by side, in reading order."""
    rows = -(-len(pictures) // columns)
    height, width = pictures.shape[1:3]
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for position, picture in enumerate(pictures):
        row, column = divmod(position, columns)
        top, left = row * height, column * width
        sheet[top : top + height, left : left + width] = picture
    return Image.fromarray(sheet)


def main() -> None:
    """Evaluate at the model's default settings, or at the ones given."""
    parser = argparse.ArgumentParser(
        prog="python -m starter.training.evaluate", description=__doc__
    )
    parser.add_argument("--model", type=Path, default=SOURCE, help="diffusers folder or bundle")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance-scale", type=float)
    parser.add_argument("--scheduler", choices=sorted(SCHEDULERS))
    parser.add_argument("--sheet", type=Path, default=Path("contact-sheet.png"))
    options = parser.parse_args()
    given = {
        name: getattr(options, name)
        for name in ("steps", "guidance_scale", "scheduler")
        if getattr(options, name) is not None
    }
    settings = read_profile(SOURCE).defaults.model_copy(update=given)
    _, held_out = split_products()
    products = held_out[: options.prompts]
    prompts = [canonical_caption(product) for product in products]
    pictures = generate(load_pipeline(options.model), prompts, settings, options.seed)
    options.sheet.write_bytes(encode(contact_sheet(pictures), Format.PNG))
    scores = score_attributes(judge(), pictures, products)
    for name, share in scores.accuracy.items():
        mistakes = scores.mistakes.get(name, Counter())
        wrong = ", ".join(f"{what} {count}x" for what, count in mistakes.items())
        print(f"{name:<12}{share:>8.1%}  {wrong}")
    decibels = reconstruction_psnr(
        load_part(AutoencoderKL, SOURCE / "vae"), draw_pictures(held_out, 1, seed=2)
    )
    print(f"{'VAE PSNR':<12}{decibels:>7.1f} dB")
    figures = {"prompts": len(prompts), "accuracy": scores.accuracy, "vae_psnr_db": decibels}
    print(json.dumps({**figures, "settings": settings.model_dump()}))


if __name__ == "__main__":
    main()
