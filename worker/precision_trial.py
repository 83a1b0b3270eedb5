"""How fast and how exact a bundle's parts are in some precisions, measured in seconds."""

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundles.manifest_file import load_manifest
from core.settings import Settings
from worker.finite import NotFiniteError
from worker.model import StepInputs, stack
from worker.precision import EXACT, Measured, PrecisionTrial

SECONDS = 5.0
"""After which no further call of a precision begins."""

LEVELS = (800.0, 200.0)
"""Timesteps of the calls: much noise, and little."""

SPREADS = (1.0, 0.5)
"""Standard deviations of the latents that are decoded: those that UNets draw have about 1."""

ROUNDS = 4
"""Times that each is called, where that is quick."""

Array = NDArray[np.float32]


Timed = tuple[float, Sequence[Array]]
"""The shortest call of a part in seconds, and its outputs."""


def measure(folder: Path, precisions: Collection[str], *, settings: Settings) -> PrecisionTrial:
    """Run UNet and decoder in each precision, on the noise of one image of the default size.

    Args:
        folder: The bundle.
        precisions: What to compute in, as OpenVINO calls it; with `f32`, which the others are
            compared with.
        settings: The worker's: device, threads and pinning.

    Returns:
        For each part and precision the shortest call, and how near outputs come to those of `f32`.

    Raises:
        BundleError: The bundle cannot be read.
    """
    runs = {precision: _run(folder, precision, settings) for precision in precisions}
    return PrecisionTrial(
        unet=_compared({precision: unet for precision, (unet, _) in runs.items()}),
        decoder=_compared({precision: decoder for precision, (_, decoder) in runs.items()}),
    )


def _compared(runs: dict[str, Timed]) -> dict[str, Measured]:
    seconds, exact = runs.pop(EXACT)
    return {EXACT: Measured(seconds=seconds)} | {
        name: Measured(seconds=seconds, decibels=_decibels(outputs, exact))
        for name, (seconds, outputs) in runs.items()
    }


def _run(folder: Path, precision: str, settings: Settings) -> tuple[Timed, Timed]:
    """Return what the UNet gave at each level, and what the decoder gave of its latents."""
    from worker.pipeline import Pipeline  # noqa: PLC0415 - it imports what asks for this

    manifest = load_manifest(folder)
    # One after another: two compiled models may be too much for the memory.
    pipeline = Pipeline(
        folder,
        device=settings.device,
        precision=precision,
        pinning=settings.inference_pinning,
        decode_tile=settings.decode_tile,
    )
    drawn = manifest.defaults
    shape = pipeline.sample_shape(width=drawn.width, height=drawn.height)
    samples = np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)
    latents = samples[:, : pipeline.latent_channels]
    (text,) = pipeline.encode([(*manifest.prompts, "")[0]])
    beside = pipeline.conditioning(
        guidance_scale=drawn.guidance_scale, width=drawn.width, height=drawn.height
    )
    conditioning = stack([{**text, **beside}])

    def predict(level: float) -> Array:
        inputs = StepInputs(samples=samples, timesteps=[level], conditioning=conditioning)
        return pipeline.predict(inputs)[0]

    def decode(share: float) -> Array:
        # Of pixels from -1 to 1, as the decoder gives them but for what is out of range.
        try:
            pixels = pipeline.decode(latents * np.float32(share))
        except NotFiniteError:
            return np.full(1, np.nan, np.float32)
        return pixels.astype(np.float32) / 127.5 - 1

    return _timed(predict, LEVELS), _timed(decode, SPREADS)


def _timed(call: Callable[[float], Array], given: Sequence[float]) -> Timed:
    """Call with each value in turn, as often as there is time."""
    seconds: list[float] = []

    def once(value: float) -> Array:
        began = time.perf_counter()
        output = call(value)
        seconds.append(time.perf_counter() - began)
        return output

    outputs = [once(value) for value in given]
    end = time.perf_counter() + SECONDS - sum(seconds)
    for value in tuple(given) * (ROUNDS - 1):
        if time.perf_counter() < end:
            once(value)
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
