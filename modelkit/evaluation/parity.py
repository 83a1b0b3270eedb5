"""Whether a bundle draws what diffusers draws with the model that it was made from."""

import gc
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import openvino as ov
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray

from bundles.layout import load_layout
from bundles.manifest import Defaults, Manifest
from bundles.plan import Plan
from core.domain.lanes import Lane
from core.errors import BundleError
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.reference import DiffusersReference
from modelkit.export.conversion import MODEL_FILE, load_part
from modelkit.export.unet import added_conditions
from modelkit.progress import Progress, Silent
from modelkit.quantise.trajectories import Recorder
from modelkit.quantise.trajectory_file import Call
from worker.engine import Engine
from worker.pipeline import Pipeline, to_pixels
from worker.rows import RowError, RowRequest

STEPS = 4
"""Of the image that is compared, at most: a fault shows from the first step on."""

SEED = 1

TINY = 1e-20
"""A power that counts as none."""

PROMPT = "a red mug on a white background"

LEAST_DB = {"fp32": 40.0, "fp16": 35.0, "bf16": 35.0}
"""PSNR of an image to diffusers', by how the bundle's weights are stored; computed in FP32 by both,
diffusers with weights rounded in the same way. Measured: docs/models.md."""

LOSSY_DB = 25.0
"""The same for a bundle whose UNet or decoder is changed on purpose, to what diffusers makes around
that very UNet. Sums in another order move values over the limits of INT8's steps."""

PREDICTION_DB = 3.0
"""Signal to noise of such a UNet's prediction: a healthy one has 20 and more, rubbish has -3."""

DECODER_DB = 25.0
"""PSNR of what an INT8 decoder makes of latents; a healthy one has 45."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One thing that was compared."""

    name: str
    decibels: float
    least: float

    @property
    def good(self) -> bool:
        """Return whether it is near enough; NaN is not."""
        return self.decibels >= self.least

    def __str__(self) -> str:
        return f"{self.name} {self.decibels:.1f} dB (at least {self.least:.0f})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A bundle beside the diffusers pipeline of its source."""

    drawn: Defaults
    figures: tuple[Figure, ...]

    def __str__(self) -> str:
        one = self.drawn
        figures = ", ".join(map(str, self.figures))
        return (
            f"{one.width}×{one.height} pixels in {one.steps} steps of {one.scheduler}, guidance "
            f"{one.guidance_scale:g}: {figures}"
        )


def check_parity(
    bundle: Path, manifest: Manifest, source: Path, say: Progress | None = None
) -> Comparison:
    """Compare a bundle with diffusers' own pipeline on the same weights, seed and scheduler.

    One small image in a few steps, computed in FP32. A bundle whose UNet is INT8, or merges tokens,
    draws other images on purpose: then its UNet's prediction, all that happens around the UNet, and
    its decoder are compared one by one.

    Args:
        bundle: The bundle's folder.
        manifest: Its manifest.
        source: The diffusers folder that it was made from.
        say: Hears how far it is.

    Raises:
        BundleError: They differ more than the bundle's precision explains, or one cannot draw.
    """
    say = say or Silent()
    drawn = sketch(manifest)
    say.stage("compare with diffusers", 2)
    compare = _compare_parts if is_lossy(manifest) else _compare_images
    found = Comparison(drawn=drawn, figures=compare(bundle, manifest, source, drawn, say))
    if not all(figure.good for figure in found.figures):
        raise BundleError(
            "The bundle does not draw what diffusers draws with the same weights, seed and "
            f"scheduler, and is not published. Compared: {found}. Try another --precision, without "
            "--tome; if it stays, report it as a fault of packshot with the model's name."
        )
    return found


def draw(pipeline: Pipeline, prompt: str, seed: int, drawn: Defaults) -> NDArray[np.uint8]:
    """Draw one image, (height, width, 3), as a worker does.

    Raises:
        BundleError: It fails.
    """
    engine = Engine.of_one(pipeline, guidance_rescale=drawn.guidance_rescale, row_limit=1)
    engine.start()
    request = RowRequest(
        identity=uuid4(),
        spec=drawn.spec(prompt=prompt, seed=seed),
        lane=Lane.STANDARD,
    )
    try:
        return engine.submit(request).result().image
    except RowError as error:
        raise BundleError(
            f"The bundle cannot draw with the scheduler {drawn.scheduler} "
            f"({error.__cause__ or error}): name another one as the default in the model's "
            "packshot.json."
        ) from error
    finally:
        engine.close()


def is_lossy(manifest: Manifest) -> bool:
    """Check whether a bundle draws other images than its source on purpose."""
    changed = manifest.token_merging or manifest.vae_quantisation
    return bool(changed) or manifest.precision not in LEAST_DB


def sketch(manifest: Manifest) -> Defaults:
    """Return how the image is drawn: as by default, but small and short."""
    sizes = manifest.sizes
    side = -(-sizes.min // sizes.multiple_of) * sizes.multiple_of
    return manifest.defaults.model_copy(
        update={
            "width": side,
            "height": side,
            "steps": min(manifest.defaults.steps, STEPS),
            "guidance_start": 0.0,
            "guidance_end": 1.0,
        }
    )


def _compare_images(
    bundle: Path, manifest: Manifest, source: Path, drawn: Defaults, say: Progress
) -> tuple[Figure, ...]:
    halves = manifest.precision != "fp32"
    reference = DiffusersReference(source, halves=halves)
    prompt = _prompt(manifest)
    wanted = reference.draw(prompt, SEED, drawn)
    # Two copies of a large model need not fit.
    del reference
    gc.collect()
    say.advance()
    image = draw(Pipeline(bundle, precision="f32", plan=Plan()), prompt, SEED, drawn)
    say.advance()
    least = LEAST_DB[manifest.precision]
    return (Figure(name="the image", decibels=likeness(image, wanted), least=least),)


def _compare_parts(
    bundle: Path, manifest: Manifest, source: Path, drawn: Defaults, say: Progress
) -> tuple[Figure, ...]:
    prompt = _prompt(manifest)
    layout = load_layout(bundle)
    unet = Recorder(ov.Core().read_model(bundle / "unet" / MODEL_FILE), layout.unet, Silent())
    reference = DiffusersReference(source, unet=unet, halves=manifest.precision != "fp32")
    latents = reference.latents(prompt, SEED, drawn)
    call, decoded = unet.calls[0], reference.decode(latents)
    del reference, unet
    gc.collect()
    predicted = _predict(source, call)
    gc.collect()
    say.advance()
    noisy = _run(bundle / "unet", call)
    scaled = {"latent_sample": latents / np.float32(layout.vae["scaling_factor"])}
    (seen,) = to_pixels(_run(bundle / "vae_decoder", scaled))
    pipeline = Pipeline(bundle, precision="f32", plan=Plan())
    image = draw(pipeline, prompt, SEED, drawn)
    (wanted,) = pipeline.decode(latents)
    say.advance()
    decoder = DECODER_DB if manifest.vae_quantisation else LEAST_DB["fp16"]
    return (
        Figure(name="the UNet", decibels=_signal_to_noise(noisy, predicted), least=PREDICTION_DB),
        Figure(name="the decoder", decibels=likeness(seen, decoded), least=decoder),
        Figure(name="the image", decibels=likeness(image, wanted), least=LOSSY_DB),
    )


def _run(part: Path, call: Call) -> NDArray[np.float32]:
    """Run a part of a bundle once, INT8 in floating point.

    Without INT8 instructions products are summed in 16 bits, which saturate: that is the
    processor's error and not the bundle's.
    """
    exact = {"INFERENCE_PRECISION_HINT": "f32", "LP_TRANSFORMS_MODE": "NO"}
    found: NDArray[np.float32] = ov.compile_model(part / MODEL_FILE, "CPU", exact)(call)[0]
    return found


@torch.no_grad()
def _predict(source: Path, call: Call) -> NDArray[np.float32]:
    """Run the source's own UNet once."""
    unet = load_part(UNet2DConditionModel, source / "unet")
    inputs = {name: torch.from_numpy(value) for name, value in call.items()}
    added = added_conditions(inputs)
    plain = {name: value for name, value in inputs.items() if name not in (added or {})}
    predicted: NDArray[np.float32] = unet(**plain, added_cond_kwargs=added).sample.numpy()
    return predicted


def _signal_to_noise(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Return how much more power a prediction has than its error, in dB."""
    error = np.mean((found - wanted) ** 2)
    return float(10 * np.log10(max(np.mean(wanted**2), TINY) / max(error, TINY)))


def _prompt(manifest: Manifest) -> str:
    return manifest.prompts[0] if manifest.prompts else PROMPT
