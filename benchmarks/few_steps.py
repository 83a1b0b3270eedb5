"""Seconds of an image in four steps with a tiny decoder, beside those who do the same.

`python -m benchmarks.few_steps [--cache DIR] [--genai-python PATH] [--sdcpp-python PATH]`

A model of Stable Diffusion 1.5's size with random weights, 512 x 512, LCM's steps without guidance,
and a tiny autoencoder of TAESD's shape, random too; beside them diffusers in FP32 as people begin:
20 steps with guidance, and the model's own decoder. Each contender starts, makes its images and
ends before the next one. Last comes the decoder's share of packshot's image.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.pipeline import (
    DTYPES,
    PREPARE,
    Start,
    alone,
    export_of,
    faster_precision,
    genai,
    python,
)
from benchmarks.processes import Made, Served
from benchmarks.report import show
from core.domain.image_spec import ImageSpec

STEPS = 4
BASELINE = "diffusers, FP32, 20 guided steps"
ROWS = 2


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(".packshot/benchmarks"))
    parser.add_argument("--unet", default="int8-tome-0.5-drop-all", help="of benchmarks.unet")
    parser.add_argument("--genai-python", default="", help="interpreter with openvino-genai")
    parser.add_argument(
        "--sdcpp-python", default="", help="interpreter with stable-diffusion-cpp-python and numpy"
    )
    parser.add_argument("--images", type=int, default=4)
    arguments = parser.parse_args()
    cache = arguments.cache.absolute()
    source, bundle = cache / "sd15-random", cache / "packshot-sd15-tiny"
    python(PREPARE, str(cache), arguments.unet, "sd15", "int8")
    python(_PREPARE_TINY, str(cache), arguments.unet)
    tiny = str(cache / "taesd-random")
    queue = [
        ImageSpec(
            prompt=f"a red mug, number {number}", negative_prompt="", steps=STEPS,
            guidance_scale=1.0, scheduler="lcm", seed=number, width=512, height=512,
        )
        for number in range(arguments.images)
    ]  # fmt: skip
    guided = [replace(queue[0], steps=20, guidance_scale=7.5, scheduler="ddim")]
    starts = {
        BASELINE: partial(Served, "torch_diffusers", source, guided),
        f"diffusers, {faster_precision()}, TAESD": partial(
            Served, "torch_diffusers", source, queue, dtype=DTYPES[faster_precision()], vae=tiny
        ),
        "optimum-intel, INT8 weights, TAESD": partial(
            Served, "optimum_openvino", export_of(source, "int8"), queue, vae=tiny
        ),
        **genai(arguments.genai_python, source, queue, ("int8",)),
        **_sdcpp(arguments.sdcpp_python, source, queue, tiny),
        f"packshot, {arguments.unet}, TAESD": partial(
            Served, "packshot", bundle, queue, row_limit=ROWS, precision="auto"
        ),
    }
    _show({name: alone(name, start) for name, start in starts.items()}, _decoding(bundle))


def _sdcpp(
    interpreter: str, source: Path, queue: Sequence[ImageSpec], tiny: str
) -> dict[str, Start]:
    """Return how stable-diffusion.cpp is started; nothing without an interpreter that has it."""
    if not interpreter:
        return {}
    start = partial(Served, "stable_diffusion_cpp", source, queue, python=interpreter, vae=tiny)
    return {"stable-diffusion.cpp, Q8_0, TAESD": start}


def _show(made: dict[str, Made], decoding: float) -> None:
    seconds = {name: max(one.moments) / len(one.moments) for name, one in made.items()}
    own = list(seconds)[-1]
    best = min((name for name in seconds if name not in (own, BASELINE)), key=seconds.__getitem__)
    rows = [
        {
            "contender": name,
            "seconds per image": f"{taken:.2f}",
            "× the best of the others": f"{seconds[best] / taken:.2f}",
            "× diffusers, 20 guided steps": f"{seconds[BASELINE] / taken:.1f}",
            "peak RSS, MiB": f"{made[name].peak_rss_mib:.0f}",
        }
        for name, taken in seconds.items()
    ]
    result = {
        "seconds": seconds,
        "best_of_the_others": best,
        "peak_rss_mib": {name: one.peak_rss_mib for name, one in made.items()},
        "decoder_seconds": decoding,
        "decoder_share": decoding / seconds[own],
    }
    show(f"{STEPS} steps, 512 × 512; decoder {decoding / seconds[own]:.1%}", rows, result)


def _decoding(bundle: Path) -> float:
    """Measure the seconds in which packshot decodes one image."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _DECODE, str(bundle)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return statistics.median(map(float, done.stdout.split()))


_PREPARE_TINY = """
import shutil, sys
from pathlib import Path
import torch
from diffusers import AutoencoderTiny
from benchmarks.unet_contenders import graph
from modelkit.export.additions import Additions
from modelkit.export.build import build
cache, unet = Path(sys.argv[1]), sys.argv[2]
tiny, bundle = cache / "taesd-random", cache / "packshot-sd15-tiny"
if not tiny.is_dir():
    torch.manual_seed(0)
    AutoencoderTiny().half().save_pretrained(tiny)
if not bundle.is_dir():
    build(cache / "sd15-random", bundle, name="full-size-tiny", additions=Additions(vae=tiny))
for suffix in (".xml", ".bin"):
    shutil.copyfile(
        graph(unet, cache).with_suffix(suffix), bundle / "unet" / f"openvino_model{suffix}"
    )
"""

_DECODE = f"""
import sys, time
from pathlib import Path
import numpy as np
from bundles.plan import Plan
from core.settings import Settings
from worker.pipeline import load_pipeline
bundle = Path(sys.argv[1])
pipeline = load_pipeline(bundle, Settings(home=bundle.parent / "home"), Plan(rows={ROWS}))
latents = np.random.default_rng(0).standard_normal((1, 4, 64, 64), np.float32)
pipeline.decode(latents)
for _ in range(5):
    begun = time.perf_counter()
    pipeline.decode(latents)
    print(time.perf_counter() - begun)
"""


if __name__ == "__main__":
    main()
