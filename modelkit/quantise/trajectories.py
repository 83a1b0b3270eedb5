"""Real denoising: the UNet's inputs and the latents it ends with, to calibrate and measure on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import openvino as ov
import torch
from diffusers.configuration_utils import FrozenDict
from PIL import Image

from bundles.layout import POOLED, SIZE_IDS
from bundles.manifest import Defaults
from bundles.records import INDEX, read_json
from bundles.schedulers import make_scheduler
from core.errors import BundleError
from modelkit.export.configuration import (
    autoencoder_class,
    read_scheduler,
    read_unet,
    read_vae,
    scale_factor,
)
from modelkit.export.conversion import load_part
from modelkit.export.pipelines import (
    inpaints,
    left_out,
    rescale_option,
    text_options,
    text_parts,
    text_to_image,
)
from modelkit.progress import Progress
from modelkit.quantise.trajectory_file import Call, Latents, load_trajectory, save_trajectory

GOLDEN = 0.618033988749895
"""Multiples of the golden ratio, modulo 1, cover an interval evenly however many are taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """Some of the UNet calls that made one image."""

    prompt: str
    seed: int
    calls: tuple[Call, ...]
    """In the order of denoising, from noise to image."""
    latents: Latents
    """What the last step left, for the decoder."""


class Recorder:
    """A UNet on OpenVINO that `diffusers`' pipeline calls like its own, and that remembers."""

    def __init__(self, model: ov.Model, config: dict[str, Any], say: Progress) -> None:
        """Compile the UNet in FP32.

        Args:
            model: Takes `sample`, one `timestep` per row, `encoder_hidden_states`, and
                `timestep_cond`, `text_embeds` and `time_ids` where the UNet has these.
            config: The UNet's, complete.
            say: Advanced by one with each call.
        """
        self.config = FrozenDict(config)
        self.dtype = torch.float32
        # Where the pipeline of Stable Diffusion XL looks how many numbers are added.
        added = self.config.get("projection_class_embeddings_input_dim")
        self.add_embedding = SimpleNamespace(linear_1=SimpleNamespace(in_features=added))
        self.calls: list[Call] = []
        self._say = say
        self._request = compile_exactly(model).create_infer_request()
        self._per_row = model.input("timestep").get_partial_shape().rank.get_length() > 0
        self._types = {port.get_any_name(): port.element_type.to_dtype() for port in model.inputs}

    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        encoder_hidden_states: torch.Tensor,
        timestep_cond: torch.Tensor | None = None,
        added_cond_kwargs: Mapping[str, torch.Tensor] | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor]:
        """Predict for (rows, channels, height, width) latents at one timestep."""
        call: Call = {
            "sample": sample.numpy(),
            "timestep": np.full(
                len(sample) if self._per_row else (), float(timestep), self._types["timestep"]
            ),
            "encoder_hidden_states": encoder_hidden_states.numpy(),
        }
        if timestep_cond is not None:
            call["timestep_cond"] = timestep_cond.numpy()
        added = added_cond_kwargs or {}
        call |= {name: added[name].numpy() for name in (POOLED, SIZE_IDS) if name in added}
        self.calls.append(call)
        self._request.infer(call)
        self._say.advance()
        return (torch.from_numpy(self._request.get_output_tensor(0).data.copy()),)


def compile_exactly(model: ov.Model) -> ov.CompiledModel:
    """Compile for the CPU in FP32, so that what is measured is the same on every machine."""
    properties = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    return ov.Core().compile_model(model, "CPU", properties)


def record(
    model: ov.Model,
    source: Path,
    prompts: Sequence[str],
    *,
    defaults: Defaults,
    calls_each: int,
    workdir: Path,
    say: Progress,
) -> list[Trajectory]:
    """Draw one image per prompt, the i-th with seed i, and keep some of each one's UNet calls.

    The calls are spread over the whole schedule, at other places for each image, so that together
    they cover every step. A UNet that inpaints draws every second image into the one before it,
    behind a mask, so that it sees what is kept of pictures, too. What `workdir` holds from an
    interrupted run is not drawn again.

    Args:
        model: The UNet in floating point, token merging included.
        source: The diffusers folder that the other parts come from.
        prompts: What to draw.
        defaults: Size, steps, guidance and scheduler to draw with.
        calls_each: How many calls of each image are kept.
        workdir: Gets a safetensors file per image.
        say: Hears of each UNet call.

    Raises:
        BundleError: The source's text encoder, tokenizer or scheduler cannot be read.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    config = read_unet(source)
    masked = {seed for seed in range(1, len(prompts), 2) if inpaints(config)}
    digests = [
        _digest(prompt, calls_each, defaults, masked=seed in masked)
        for seed, prompt in enumerate(prompts)
    ]
    files = [workdir / f"{seed:04}-{digest}.safetensors" for seed, digest in enumerate(digests)]
    known = [load_trajectory(file) for file in files]
    missing = [seed for seed, calls in enumerate(known) if calls is None]
    say.stage("draw pictures to calibrate on", len(missing) * defaults.steps)
    if missing:
        recorder = Recorder(model, config, say)
        pipeline = pipeline_around(source, recorder, defaults.scheduler)
        for seed in missing:
            before = known[seed - 1] if seed in masked else None
            over = _picture(pipeline, before[1]) if before else None
            recorder.calls.clear()
            latents = draw(pipeline, prompts[seed], seed, defaults, over=over)
            calls = _spread(recorder.calls, calls_each, shift=seed * GOLDEN % 1)
            save_trajectory(files[seed], calls, latents)
            known[seed] = calls, latents
    return [
        Trajectory(prompt=prompt, seed=seed, calls=tuple(calls), latents=latents)
        for seed, (prompt, (calls, latents)) in enumerate(
            zip(prompts, filter(None, known), strict=True)
        )
    ]


def pipeline_around(source: Path, unet: Recorder, scheduler: str) -> Any:
    """Make the source's pipeline with another UNet; it gives latents, not pictures.

    Raises:
        BundleError: The source's text encoder, tokenizer or scheduler cannot be read.
    """
    try:
        # Built from its parts: `from_pretrained` would read the whole UNet's weights first.
        index, vae = read_json(source / INDEX), source / "vae"
        # Nothing is decoded, and only what is kept of an image is encoded.
        pipeline = getattr(diffusers, text_to_image(index, unet.config))(
            vae=load_part(autoencoder_class(vae), vae) if inpaints(unet.config) else None,
            unet=unet,
            scheduler=None,
            **text_parts(source),
            **left_out(index),
        )
        # Afterwards: the constructor would correct it as if the source had come with it.
        pipeline.scheduler = make_scheduler(scheduler, read_scheduler(source))
    except (NotImplementedError, OSError, ValueError) as error:
        raise BundleError(
            f"{source} cannot draw for the calibration ({error}): give a complete Stable "
            "Diffusion model in diffusers' layout."
        ) from error
    pipeline.vae_scale_factor = scale_factor(read_vae(source / "vae"))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: Any, prompt: str, seed: int, defaults: Defaults, *, over: Image.Image | None = None
) -> Latents:
    """Denoise one image of a model's default size, as the model does by default.

    Args:
        pipeline: The model's.
        prompt: What to draw.
        seed: Of the generator, and of the mask.
        defaults: Size, steps, guidance and negative prompt.
        over: A picture that is drawn into, by a model that inpaints; None: nothing is kept.
    """
    options = text_options(pipeline, width=defaults.width, height=defaults.height)
    if over is not None:
        options |= {"image": over, "mask_image": _hole(seed, over.width, over.height)}
    drawn = pipeline(
        prompt,
        negative_prompt=defaults.negative_prompt or None,
        num_inference_steps=defaults.steps,
        guidance_scale=defaults.guidance_scale,
        width=defaults.width,
        height=defaults.height,
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
        **rescale_option(pipeline, defaults.guidance_rescale),
        **options,
    )
    return drawn.images.numpy()


@torch.no_grad()
def _picture(pipeline: Any, latents: Latents) -> Image.Image:
    """Decode an image to draw into."""
    vae = pipeline.vae
    decoded = vae.decode(torch.from_numpy(latents) / vae.config.scaling_factor).sample
    (picture,) = pipeline.image_processor.postprocess(decoded, output_type="pil")
    return picture


def _hole(seed: int, width: int, height: int) -> Image.Image:
    """Make a mask: white in a rectangle of a quarter to three quarters of each side."""
    chance = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    wide, tall = (int(side * chance.uniform(0.25, 0.75)) for side in (width, height))
    left, top = int(chance.integers(width - wide)), int(chance.integers(height - tall))
    mask[top : top + tall, left : left + wide] = 255
    return Image.fromarray(mask)


def _spread(calls: Sequence[Call], count: int, *, shift: float) -> list[Call]:
    """Take one call of each of `count` equal parts of the schedule, `shift` (0 to 1) into it."""
    if count >= len(calls):
        return list(calls)
    return [calls[int((part + shift) * len(calls) / count)] for part in range(count)]


def _digest(prompt: str, calls_each: int, defaults: Defaults, *, masked: bool) -> str:
    """Name everything that decides a trajectory, the model and the seed aside."""
    decides = [prompt, calls_each, defaults.model_dump(), *(["masked"] if masked else [])]
    content = json.dumps(decides, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]
