"""Images that are drawn over a picture, beside those of diffusers' own pipelines for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import diffusers
import numpy as np
import torch
from PIL import Image

from bundles.manifest import Defaults
from bundles.plan import Plan
from bundles.records import INDEX, read_json, text_encoders
from core.domain.lanes import Lane
from core.domain.schedulers import SCHEDULERS, steps_over
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.parity import PROMPT, SEED
from modelkit.evaluation.similarity import Pixels
from worker.engine import Engine
from worker.pipeline import Pipeline
from worker.rows import RowRequest
from worker.walk import Picture

SCHEDULER = "euler"
"""What both are drawn with; every other one is tested on a model by itself."""

STRENGTH = 0.6
"""Of images over a picture; what is behind a mask is drawn anew."""

STEPS = 5
"""At least: fewer leave too few of them for a picture to begin half way."""


@dataclass(frozen=True, kw_only=True)
class DrawnOver:
    """PSNR in dB, to diffusers."""

    picture: float
    """Image-to-image."""
    mask: float
    """Inpainting."""


def draw_over(bundle: Path, source: Path, defaults: Defaults, *, negative_prompt: str) -> DrawnOver:
    """Draw over a picture and behind a mask, by the bundle and by diffusers, in FP32.

    Args:
        bundle: The bundle's folder.
        source: The diffusers folder that it was made from.
        defaults: Size, steps and guidance; it is not rescaled, which diffusers has for texts alone.
        negative_prompt: What not to draw.
    """
    drawn = defaults.model_copy(
        update={
            "negative_prompt": negative_prompt,
            "scheduler": SCHEDULER,
            "steps": max(STEPS, defaults.steps),
        }
    )
    pixels = _picture(drawn.width, drawn.height)
    hole = np.zeros((drawn.height, drawn.width), np.uint8)
    hole[drawn.height // 4 : drawn.height * 3 // 4, drawn.width // 4 :] = 255
    pipeline = Pipeline(bundle, precision="f32", plan=Plan())
    cell = pipeline.vae_scale_factor
    mask = np.asarray(hole, np.float32)[None, ::cell, ::cell] / 255
    assert steps_over(drawn.steps, STRENGTH)
    picture = Picture(pixels=pixels, strength=STRENGTH)
    masked = Picture(pixels=pixels, strength=1.0, mask=mask)
    white = np.full_like(hole, 255)
    return DrawnOver(
        picture=likeness(
            _ours(pipeline, drawn, picture),
            _theirs(
                source, drawn, pixels, strength=STRENGTH, hole=white if pipeline.inpaints else None
            ),
        ),
        mask=likeness(
            _ours(pipeline, drawn, masked), _theirs(source, drawn, pixels, strength=1.0, hole=hole)
        ),
    )


def _picture(width: int, height: int) -> Pixels:
    squares = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return squares.repeat(8, axis=0).repeat(8, axis=1)


def _ours(pipeline: Pipeline, drawn: Defaults, begin: Picture) -> Pixels:
    engine = Engine.of_one(pipeline, row_limit=1)
    engine.start()
    request = RowRequest(
        identity=uuid4(),
        spec=drawn.spec(prompt=PROMPT, seed=SEED),
        lane=Lane.STANDARD,
        begin=begin,
    )
    try:
        return engine.submit(request).result().image
    finally:
        engine.close()


def _theirs(
    source: Path, drawn: Defaults, pixels: Pixels, *, strength: float, hole: Pixels | None
) -> Pixels:
    """Draw with diffusers' pipeline for pictures, or where there is a mask, for inpainting."""
    family = "StableDiffusion" + "XL" * (len(text_encoders(read_json(source / INDEX))) > 1)
    kind = getattr(diffusers, f"{family}{'Img2Img' if hole is None else 'Inpaint'}Pipeline")
    options: dict[str, Any] = (
        {"add_watermarker": False} if "XL" in family else {"safety_checker": None}
    )
    halves = any((source / "unet").glob("*.fp16*.safetensors"))
    pipeline = kind.from_pretrained(
        source, torch_dtype=torch.float32, variant="fp16" if halves else None, **options
    )
    pipeline.set_progress_bar_config(disable=True)
    scheduler = getattr(diffusers, SCHEDULERS[SCHEDULER])
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    size = {} if hole is None else {"width": drawn.width, "height": drawn.height}
    masks = {} if hole is None else {"mask_image": Image.fromarray(hole)}
    image = pipeline(
        PROMPT,
        negative_prompt=drawn.negative_prompt,
        image=Image.fromarray(pixels),
        strength=strength,
        num_inference_steps=drawn.steps,
        guidance_scale=drawn.guidance_scale,
        generator=torch.Generator().manual_seed(SEED),
        **size,
        **masks,
    ).images[0]
    return np.asarray(image)
