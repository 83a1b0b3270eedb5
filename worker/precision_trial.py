"""How fast and how exact a bundle's UNet is in some precisions, measured in seconds."""

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundles.manifest import load_manifest
from core.settings import Settings
from worker.model import StepInputs, stack
from worker.precision import EXACT, Measured

SECONDS = 5.0
"""After which no further call of a precision begins."""

LEVELS = (800.0, 200.0)
"""Timesteps of the calls: much noise, and little."""

ROUNDS = 4
"""Times that each is called, where that is quick."""

Array = NDArray[np.float32]


def measure(
    folder: Path, precisions: Collection[str], *, settings: Settings
) -> Mapping[str, Measured]:
    """Run the UNet in each precision, on the noise of one image of the bundle's default size.

    Args:
        folder: The bundle.
        precisions: What to compute in, as OpenVINO calls it; with `f32`, which the others are
            compared with.
        settings: The worker's: device, threads and pinning.

    Returns:
        For each precision the shortest call, and how near its outputs come to those of `f32`.

    Raises:
        BundleError: The bundle cannot be read.
    """
    runs = {precision: _run(folder, precision, settings) for precision in precisions}
    seconds, exact = runs.pop(EXACT)
    return {EXACT: Measured(seconds=seconds)} | {
        name: Measured(seconds=seconds, decibels=_decibels(outputs, exact))
        for name, (seconds, outputs) in runs.items()
    }


def _run(folder: Path, precision: str, settings: Settings) -> tuple[float, Sequence[Array]]:
    """Return the shortest call's seconds, and each level's output."""
    from worker.pipeline import Pipeline  # noqa: PLC0415 - it imports what asks for this

    manifest = load_manifest(folder)
    # One after another: two compiled models may be too much for the memory.
    pipeline = Pipeline(
        folder, device=settings.device, precision=precision, pinning=settings.inference_pinning
    )
    shape = pipeline.latent_shape(width=manifest.defaults.width, height=manifest.defaults.height)
    samples = np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)
    (text,) = pipeline.encode([(*manifest.prompts, "")[0]])
    beside = pipeline.conditioning(guidance_scale=manifest.defaults.guidance_scale)
    conditioning = stack([{**text, **beside}])
    seconds: list[float] = []

    def call(level: float) -> Array:
        began = time.perf_counter()
        inputs = StepInputs(samples=samples, timesteps=[level], conditioning=conditioning)
        output, _ = pipeline.predict(inputs)
        seconds.append(time.perf_counter() - began)
        return output

    outputs = [call(level) for level in LEVELS]
    end = time.perf_counter() + SECONDS - sum(seconds)
    for level in LEVELS * (ROUNDS - 1):
        if time.perf_counter() < end:
            call(level)
    return min(seconds), outputs


def _decibels(outputs: Sequence[Array], exact: Sequence[Array]) -> float | None:
    """Return the least ratio of signal to error, in dB; None where an output is not finite."""
    if not all(np.isfinite(output).all() for output in (*outputs, *exact)):
        return None
    ratios = [
        float(np.mean(one**2)) / max(float(np.mean((other - one) ** 2)), 1e-20)
        for other, one in zip(outputs, exact, strict=True)
    ]
    return round(10 * float(np.log10(max(min(ratios), 1e-20))), 1)
