"""What is compared: each makes the same images, and says when each of them was ready."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from core.domain.image_spec import ImageSpec
from core.domain.lanes import Lane
from core.domain.schedulers import SCHEDULERS

Moments = Sequence[float]
"""Seconds from the start of the queue to each image, in the order of the requests."""
Contender = Callable[[Sequence[ImageSpec]], Moments]


def torch_diffusers(source: Path, dtype: str = "float32", vae: str = "") -> Contender:
    """`diffusers` on PyTorch, one request after another; `vae` is a tiny autoencoder's folder."""
    import torch
    from diffusers import AutoencoderTiny, DiffusionPipeline

    from benchmarks.report import machine

    torch.set_num_threads(machine()["cores"])
    precision = getattr(torch, dtype)
    pipeline = DiffusionPipeline.from_pretrained(source, torch_dtype=precision)
    if vae:
        pipeline.vae = AutoencoderTiny.from_pretrained(vae, torch_dtype=precision)
    return _one_after_another(pipeline)


def optimum_openvino(exported: Path, vae: str = "") -> Contender:
    """`OVStableDiffusionPipeline` as optimum-intel ships it, one request after another.

    With a tiny autoencoder's folder as `vae` it is what fastsdcpu runs.
    """
    from optimum.intel import OVStableDiffusionPipeline

    pipeline = OVStableDiffusionPipeline.from_pretrained(exported)
    if vae:
        pipeline.vae = _TinyDecoder(Path(vae))
    return _one_after_another(pipeline)


class _TinyDecoder:
    """A tiny autoencoder's decoder in OpenVINO, called as diffusers calls one."""

    def __init__(self, folder: Path) -> None:
        import openvino as ov
        import torch
        from diffusers import AutoencoderTiny

        autoencoder = AutoencoderTiny.from_pretrained(folder).eval()
        model = ov.convert_model(autoencoder.decoder, example_input=torch.zeros(1, 4, 64, 64))
        self._decoder = ov.Core().compile_model(model, "CPU")
        self.config = autoencoder.config
        self.dtype = torch.float32

    def decode(self, latents: Any, **_: Any) -> tuple[Any]:
        """Return pixels, (rows, 3, height, width)."""
        import torch

        return (torch.from_numpy(self._decoder(latents.numpy())[0]),)


def openvino_genai(exported: Path) -> Contender:
    """`openvino-genai`'s Text2ImagePipeline, one request after another."""
    from openvino_genai import Text2ImagePipeline

    return _genai(Text2ImagePipeline(exported, "CPU"), exported, lambda _: {})


def openvino_genai_masked(exported: Path) -> Contender:
    """`openvino-genai`'s InpaintingPipeline, one masked image after another."""
    from openvino import Tensor
    from openvino_genai import InpaintingPipeline

    def drawn_over(request: ImageSpec) -> dict[str, Any]:
        pixels, mask = masked_picture(request)
        white = np.repeat(255 * mask[None, ..., None].astype(np.uint8), 3, axis=3)
        return {"image": Tensor(pixels[None]), "mask_image": Tensor(white), "strength": 1.0}

    return _genai(InpaintingPipeline(exported, "CPU"), exported, drawn_over)


def _genai(
    pipeline: Any, exported: Path, further: Callable[[ImageSpec], dict[str, Any]]
) -> Contender:
    """Run a pipeline of `openvino-genai`; it gets DDIM in the place of schedulers that it has not.

    Args:
        pipeline: Loaded.
        exported: Its folder.
        further: What a request's call gets besides its parameters.
    """
    from openvino_genai import Scheduler

    config = exported / "scheduler" / "scheduler_config.json"
    types = {
        "euler": Scheduler.Type.EULER_DISCRETE,
        "lcm": Scheduler.Type.LCM,
        "pndm": Scheduler.Type.PNDM,
    }

    def run(requests: Sequence[ImageSpec]) -> Moments:
        start = time.monotonic()
        moments = []
        for request in requests:
            kind = types.get(request.scheduler, Scheduler.Type.DDIM)
            pipeline.set_scheduler(Scheduler.from_config(config, kind))
            pipeline.generate(
                request.prompt,
                **further(request),
                num_inference_steps=request.steps,
                guidance_scale=request.guidance_scale,
                width=request.width,
                height=request.height,
                rng_seed=request.seed,
            )
            moments.append(time.monotonic() - start)
        return moments

    return run


def stable_diffusion_cpp(source: Path, vae: str = "", weights: str = "q8_0") -> Contender:
    """`stable-diffusion.cpp` by its Python bindings, one request after another.

    Args:
        source: A folder in diffusers' layout.
        vae: A tiny autoencoder's folder.
        weights: How its weights are stored, as ggml calls it.
    """
    from stable_diffusion_cpp import StableDiffusion

    tiny = f"{vae}/diffusion_pytorch_model.safetensors" if vae else ""
    model = StableDiffusion(
        model_path=str(source), taesd_path=tiny, wtype=weights, vae_decode_only=True,
        n_threads=len(os.sched_getaffinity(0)), verbose=False,
    )  # fmt: skip

    def run(requests: Sequence[ImageSpec]) -> Moments:
        start = time.monotonic()
        moments = []
        for request in requests:
            model.generate_image(
                request.prompt,
                sample_method=_SAMPLE_METHODS[request.scheduler],
                sample_steps=request.steps,
                cfg_scale=request.guidance_scale,
                width=request.width,
                height=request.height,
                seed=request.seed,
            )
            moments.append(time.monotonic() - start)
        return moments

    return run


_SAMPLE_METHODS = {"lcm": "lcm", "euler": "euler", "dpmpp_2m": "dpm++2m", "tcd": "tcd"}
"""stable-diffusion.cpp's names of our schedulers."""


def masked_picture(request: ImageSpec) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Make a picture and where the model may draw: all but a product in the middle.

    Returns:
        (height, width, 3), RGB; and (height, width).
    """
    rng = np.random.default_rng(request.seed)
    pixels = rng.integers(256, size=(request.height, request.width, 3), dtype=np.uint8)
    mask = np.ones((request.height, request.width), bool)
    mask[request.height // 4 : -request.height // 4, request.width // 4 : -request.width // 4] = (
        False
    )
    return pixels, mask


def packshot(
    bundle: Path, row_limit: int, precision: str, *, masked: bool = False, **plan: Any
) -> Contender:
    """Packshot's engine as workers load it, with the whole queue waiting.

    Args:
        bundle: Its folder.
        row_limit: Images that share a call.
        precision: `auto` for what is fastest here, measured once and kept beside the bundle.
        masked: Whether a picture is drawn over.
        plan: The other fields of a `Plan`.
    """
    from bundles.plan import Plan
    from core.settings import Settings
    from worker.engine import Engine
    from worker.pipeline import load_pipeline
    from worker.rows import RowRequest
    from worker.walk import NOISE

    followed = Plan(rows=row_limit, **plan)
    settings = Settings(home=bundle.parent / "home", inference_precision=precision)
    pipeline = load_pipeline(bundle, settings, followed)
    engine = Engine.of_one(pipeline, row_limit=row_limit, streams=followed.streams)
    engine.start()
    cell = pipeline.vae_scale_factor

    def run(requests: Sequence[ImageSpec]) -> Moments:
        start = time.monotonic()
        tickets = [
            engine.submit(
                RowRequest(
                    identity=uuid4(),
                    spec=spec,
                    lane=Lane.STANDARD,
                    begin=_masked_beginning(spec, cell) if masked else NOISE,
                )
            )
            for spec in requests
        ]
        return [
            ticket.submitted + ticket.result(3600).latency_seconds - start for ticket in tickets
        ]

    return run


def _masked_beginning(spec: ImageSpec, cell: int) -> Any:
    from worker.walk import Picture

    pixels, mask = masked_picture(spec)
    return Picture(pixels=pixels, strength=1.0, mask=mask[None, ::cell, ::cell].astype(np.float32))


def _one_after_another(pipeline: Any) -> Contender:
    import diffusers
    import torch

    pipeline.set_progress_bar_config(disable=True)
    config = dict(pipeline.scheduler.config)

    def run(requests: Sequence[ImageSpec]) -> Moments:
        start = time.monotonic()
        moments = []
        for request in requests:
            scheduler = getattr(diffusers, SCHEDULERS[request.scheduler])
            pipeline.scheduler = scheduler.from_config(config)
            pipeline(
                request.prompt,
                num_inference_steps=request.steps,
                guidance_scale=request.guidance_scale,
                width=request.width,
                height=request.height,
                generator=torch.Generator().manual_seed(request.seed),
            )
            moments.append(time.monotonic() - start)
        return moments

    return run
