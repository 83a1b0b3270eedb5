"""What a model draws by default, as far as the files of its parts tell.

Pure: nothing here imports a model library.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from bundles.manifest import Defaults, Sizes
from bundles.records import INDEX, Record, pipeline_kind, scheduler_kind, text_encoders
from core.domain.schedulers import KNOWN

STEPS, GUIDANCE, SIZE = 20, 7.5, 512
"""Those of Stable Diffusion 1.5, with a solver of second order."""

XL_GUIDANCE = 5.0
"""Of Stable Diffusion XL: `StableDiffusionXLPipeline`'s."""

FEW_STEPS = 4
"""Of models that are distilled to draw in one to eight."""

EMBEDDED_GUIDANCE = 8.5
"""Of a UNet that takes the guidance scale as an input: `LatentConsistencyModelPipeline`'s."""

WIDEST = 1536
"""Pixels of the longer side that a model of 1024 takes: of the sizes that Stable Diffusion XL was
trained on (arXiv 2307.01952, appendix I), all but the narrowest."""

FEW_STEP_PIPELINES = ("LatentConsistencyModelPipeline",)
CONSISTENCY_SCHEDULERS = ("LCMScheduler", "TCDScheduler")

_OWN = {one.class_name: name for name, one in KNOWN.items() if name not in ("ddim", "pndm")}
"""The name of a source's own scheduler. DDIM and PNDM need more steps than `dpmpp_2m`, which draws
with every model of theirs."""

LEVELS = 4
"""Of Stable Diffusion's UNet."""

_OLD_SIZE = 64
"""Latents of UNets that diffusers before 0.9 wrote: their files named the training's 32."""


class GivenDefaults(Record):
    """What requests get that name nothing, as whoever builds says; None: as the model says."""

    steps: int | None = Field(None, ge=1)
    guidance_scale: float | None = Field(None, ge=0)
    guidance_rescale: float | None = Field(None, ge=0, le=1)
    scheduler: str | None = None

    def said(self) -> dict[str, Any]:
        """Return what was given, by name."""
        return self.model_dump(exclude_none=True)


@dataclass(frozen=True, kw_only=True)
class _Files:
    """The raw configuration of a source; empty where a file is missing or damaged."""

    index: Mapping[str, Any]
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    scheduler: Mapping[str, Any]

    @property
    def scheduler_class(self) -> str:
        """The class that diffusers loads: the index's, whatever the configuration was saved by."""
        return scheduler_kind(self.index, self.scheduler)


def is_few_step(folder: Path) -> bool:
    """Check whether a model is distilled to draw in a few steps, as its architecture says.

    Args:
        folder: In diffusers' layout, or the Hub's OpenVINO layout.
    """
    return _is_consistency_model(_read_files(folder))


def source_defaults(folder: Path) -> Defaults:
    """Return what a model draws that nobody has described.

    - A latent consistency model: `lcm`, or `tcd` where it comes with that, 4 steps; the guidance
      scale that its pipeline embeds, or none.
    - A model for the steps of Turbo (a trailing Euler schedule, noise predicted): its own Euler, 4
      steps, no guidance.
    - Others: their own solver where 20 steps are enough for it, else `dpmpp_2m`; guidance 7.5, or
      5 of Stable Diffusion XL.

    Args:
        folder: In diffusers' layout, or the Hub's OpenVINO layout; what is missing there is taken
            for Stable Diffusion 1.5's.
    """
    files = _read_files(folder)
    width, height = _size(files)
    common = {"width": width, "height": height}
    if _is_consistency_model(files):
        embedded = files.unet.get("time_cond_proj_dim") is not None
        guidance_scale = EMBEDDED_GUIDANCE if embedded else 1.0
        scheduler = "tcd" if files.scheduler_class == KNOWN["tcd"].class_name else "lcm"
        return Defaults(
            steps=FEW_STEPS, guidance_scale=guidance_scale, scheduler=scheduler, **common
        )
    own = _OWN.get(files.scheduler_class, "dpmpp_2m")
    if _is_turbo(files):
        return Defaults(steps=FEW_STEPS, guidance_scale=0.0, scheduler=own, **common)
    guidance_scale = XL_GUIDANCE if len(text_encoders(files.index)) > 1 else GUIDANCE
    return Defaults(steps=STEPS, guidance_scale=guidance_scale, scheduler=own, **common)


def size_step(folder: Path) -> int:
    """Return the pixels between two sizes that a model's graphs take.

    That is a latent's: what packshot converts takes latents of any size. UNets that others
    converted were traced at one size, and take what their levels divide.

    Args:
        folder: In diffusers' layout, or the Hub's OpenVINO layout.
    """
    files = _read_files(folder)
    if not (folder / "unet" / "openvino_model.xml").is_file():
        return _pixels_per_latent(files)
    levels = files.unet.get("block_out_channels")
    depth = len(levels) if isinstance(levels, list) and levels else LEVELS
    return int(_pixels_per_latent(files) * 2 ** (depth - 1))


def sizes_around(width: int, height: int, *, step: int) -> Sizes:
    """Return the sizes that a model takes which draws one by default, in pixels.

    Args:
        width: Of that size.
        height: The same.
        step: See `size_step`.
    """
    return Sizes(
        min=min(256, width, height),
        max=max(1024, width, height, WIDEST if min(width, height) >= WIDEST * 2 // 3 else 0),
        multiple_of=math.gcd(step, width, height),
        tested=((width, height),),
    )


def _is_consistency_model(files: _Files) -> bool:
    kind = pipeline_kind(files.index)
    return (
        kind in FEW_STEP_PIPELINES
        or files.unet.get("time_cond_proj_dim") is not None
        or files.scheduler_class in CONSISTENCY_SCHEDULERS
    )


def _is_turbo(files: _Files) -> bool:
    """Check for a schedule of adversarial distillation (SD-Turbo, SDXL-Lightning).

    A trailing schedule is also that of models with no signal left at its first step, which predict
    velocity and draw in many steps.
    """
    one = files.scheduler
    return (
        files.scheduler_class.startswith("Euler")
        and one.get("timestep_spacing") == "trailing"
        and one.get("prediction_type", "epsilon") == "epsilon"
        and not one.get("rescale_betas_zero_snr")
    )


def _size(files: _Files) -> tuple[int, int]:
    """Return width and height in pixels, as the pipelines of diffusers find them."""
    latents, factor = files.unet.get("sample_size"), _pixels_per_latent(files)
    if isinstance(latents, int) and latents > 0:
        if latents < _OLD_SIZE and _is_old(files.unet):
            latents = _OLD_SIZE
        return latents * factor, latents * factor
    if (
        isinstance(latents, list)
        and len(latents) == 2
        and all(isinstance(one, int) and one > 0 for one in latents)
    ):
        return latents[1] * factor, latents[0] * factor
    return SIZE, SIZE


def _pixels_per_latent(files: _Files) -> int:
    levels = files.vae.get("block_out_channels")
    return int(2 ** (len(levels) - 1)) if isinstance(levels, list) and levels else 8


def _is_old(config: Mapping[str, Any]) -> bool:
    found = re.match(r"0\.(\d+)", str(config.get("_diffusers_version", "")))
    return found is not None and int(found[1]) < 9


def _read_files(folder: Path) -> _Files:
    vae = _read(folder / "vae" / "config.json") or _read(folder / "vae_decoder" / "config.json")
    return _Files(
        index=_read(folder / INDEX),
        unet=_read(folder / "unet" / "config.json"),
        vae=vae,
        scheduler=_read(folder / "scheduler" / "scheduler_config.json"),
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content: Any = json.loads(path.read_bytes())
    except (OSError, ValueError):
        # Whoever builds from it says what is wrong.
        return {}
    return content if isinstance(content, dict) else {}
