"""What INT8 does to the starter's VAE decoder: its images beside FP32's, its time beside BF16's.

`python -m benchmarks.decoder [--images 16] [--rounds 40]`

The decoder is quantised as `packshot model build --vae int8` does, then decodes the latents of
held-out prompts that nothing was calibrated on. In each round every precision decodes the same
latents in turn, so that a machine whose speed drifts is unfair to none.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from benchmarks.report import show, spread
from bundles.records import read_json
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.similarity import Pixels
from modelkit.export.conversion import convert_vae_decoder
from modelkit.export.source import read_profile
from modelkit.export.unet import convert_unet
from modelkit.progress import Silent
from modelkit.prompts import held_out_products
from modelkit.quantise.decoder import quantise_decoder
from modelkit.quantise.trajectories import record
from modelkit.quantise.trajectory_file import Latents
from starter import SOURCE
from starter.data.captions import canonical_caption
from worker.pipeline import to_pixels

BATCHES = (1, 4)
"""Images of a call whose time is measured."""


def main() -> None:
    """Quantise, decode, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    decoder, unet = convert_vae_decoder(SOURCE / "vae"), convert_unet(SOURCE / "unet")
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        int8, _ = quantise_decoder(decoder, unet, SOURCE, workdir=workdir, say=Silent())
        latents = _held_out(unet, arguments.images, workdir / "held-out")
    decoders = {
        "FP32": _compile(decoder, "f32"),
        "BF16": _compile(decoder, "bf16"),
        "INT8": _compile(int8, "bf16"),
    }
    images = {name: _decode(one, latents) for name, one in decoders.items()}
    times = {
        batch: _times(decoders, np.concatenate(latents[:batch]), arguments.rounds)
        for batch in BATCHES
    }
    _show(images, times)


def _held_out(unet: ov.Model, count: int, workdir: Path) -> list[Latents]:
    """Draw what is decoded, scaled as the decoder takes it."""
    drawn = record(
        unet,
        SOURCE,
        [canonical_caption(product) for product in held_out_products(count)],
        defaults=read_profile(SOURCE).defaults,
        calls_each=1,
        workdir=workdir,
        say=Silent(),
    )
    scale = np.float32(read_json(SOURCE / "vae" / "config.json")["scaling_factor"])
    return [one.latents / scale for one in drawn]


def _compile(model: ov.Model, precision: str) -> Any:
    properties = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    return ov.Core().compile_model(model, "CPU", properties).create_infer_request()


def _decode(decoder: Any, latents: Sequence[Latents]) -> list[Pixels]:
    return [to_pixels(decoder.infer([one])[0])[0] for one in latents]


def _times(decoders: dict[str, Any], latents: Latents, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(rounds):
        for name, decoder in decoders.items():
            start = time.perf_counter()
            decoder.infer([latents], share_inputs=True)
            times[name].append(time.perf_counter() - start)
    return times


def _show(images: dict[str, list[Pixels]], times: dict[int, dict[str, list[float]]]) -> None:
    rows, result = [], []
    for name, made in images.items():
        noise = list(map(likeness, made, images["FP32"]))
        row = {
            "decoder": name,
            "PSNR to FP32, dB": f"{statistics.fmean(noise):.1f} ({min(noise):.1f})",
        }
        for batch, measured in times.items():
            ratios = [
                bf16 / own for bf16, own in zip(measured["BF16"], measured[name], strict=True)
            ]
            row[f"{batch} at once, ms an image"] = spread(
                [1000 * t / batch for t in measured[name]]
            )
            row[f"× BF16, {batch}"] = f"{statistics.median(ratios):.2f}"
        rows.append(row)
        result.append(
            {"decoder": name, "psnr": noise, "seconds": {b: t[name] for b, t in times.items()}}
        )
    show(
        f"decoder: {len(images['FP32'])} images, PSNR mean (least), times median (range)",
        rows,
        {"decoders": result},
    )


if __name__ == "__main__":
    main()
