"""Whole images: packshot's engine beside what people use instead.

`python -m benchmarks.pipeline --model full [--cache DIR] [--unet NAME] [--genai-python PATH]`
`python -m benchmarks.pipeline --model full --masked --images 4 --genai-python PATH`
`python -m benchmarks.pipeline --model full --family sdxl [--size 1024] --genai-python PATH`
`python -m benchmarks.pipeline --model starter [--images 64] [--bundle DIR]... [--minutes 2]`

`full` is a pipeline of Stable Diffusion 1.5's size with random weights, 512², 20 steps with
guidance, or of another family's, 1024², four steps without; each contender starts, makes its images
and ends before the next one, so that none runs short of memory, and packshot runs as on a machine
that nobody tuned: one stream, any shape. `--masked` has the model draw around a product, beside
`openvino-genai`'s InpaintingPipeline alone.
`starter` is the shipped model on a mixed queue at its own size: `packshot tune` first measures each
bundle's plan, then all contenders are loaded, and take turns. `openvino-genai` is no dependency of
packshot: name an interpreter that has it, or it is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.families import FAMILIES
from benchmarks.processes import Made, Served
from benchmarks.report import show, spread
from benchmarks.requests import mixed
from core.domain.image_spec import ImageSpec
from modelkit.training.device import choose_device

Start = Callable[[], Served]

DTYPES = {"FP32": "float32", "BF16": "bfloat16"}
"""What diffusers computes in, by its name in the tables, and as PyTorch calls it."""


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=("full", "starter"), required=True)
    parser.add_argument("--family", choices=FAMILIES, default="sd15", help="of the full size")
    parser.add_argument("--size", type=int, help="pixels of the full size's images")
    parser.add_argument("--cache", type=Path, default=Path(".packshot/benchmarks"))
    parser.add_argument("--unet", default="int8-tome-0.5-drop", help="a name of benchmarks.unet")
    parser.add_argument(
        "--bundle", type=Path, action="append", help="of the starter; as shipped if not given"
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="of `packshot tune` per bundle")
    parser.add_argument("--genai-python", default="", help="interpreter with openvino-genai")
    parser.add_argument("--masked", action="store_true", help="draw around a product")
    parser.add_argument("--images", type=int, help="2 of the full size, 64 of the starter")
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.model == "full":
        queue = _full_queue(arguments)
        starts = _full_size(arguments, queue)
        rounds = [
            {name: alone(name, start) for name, start in starts.items()}
            for _ in range(arguments.rounds)
        ]
    else:
        queue = mixed(arguments.images or 64, width=128, height=128)
        with tempfile.TemporaryDirectory() as temporary:
            starts = _starter(arguments, queue, Path(temporary))
            served = {name: start() for name, start in starts.items()}
            rounds = [
                {name: one.make() for name, one in served.items()} for _ in range(arguments.rounds)
            ]
            for one in served.values():
                one.close()
    _show(arguments, rounds)


def _full_queue(arguments: argparse.Namespace) -> list[ImageSpec]:
    if arguments.family == "sd15":
        size, steps, guidance_scale = 512, 20, 7.5
    else:
        size, steps, guidance_scale = 1024, 4, 1.0
    size = arguments.size or size
    return [
        ImageSpec(
            prompt=f"a red mug, number {number}", negative_prompt="", steps=steps,
            guidance_scale=guidance_scale, scheduler="ddim", seed=number, width=size, height=size,
        )
        for number in range(arguments.images or 2)
    ]  # fmt: skip


def _full_size(arguments: argparse.Namespace, queue: Sequence[ImageSpec]) -> dict[str, Start]:
    cache, family = arguments.cache.absolute(), arguments.family
    source, bundle = cache / f"{family}-random", cache / f"packshot-{family}"
    # The fastest of openvino-genai's has INT8 weights; the smallest is compared whole.
    whole = family == "sd15" and not arguments.masked
    exports = ("fp16", "int8") if whole else ("int8",)
    python(PREPARE, str(cache), arguments.unet, family, *exports)
    if arguments.masked:
        return {
            **genai(arguments.genai_python, source, queue, exports, "openvino_genai_masked"),
            f"packshot, {arguments.unet}": partial(
                Served, "packshot", bundle, queue,
                row_limit=2, precision="auto", masked=True,
            ),
        }  # fmt: skip
    smallest = {
        "OVStableDiffusionPipeline": partial(
            Served, "optimum_openvino", export_of(source, "fp16"), queue
        ),
    }
    return {
        **_diffusers(source, queue, both=family == "sd15"),
        **(smallest if family == "sd15" else {}),
        **genai(arguments.genai_python, source, queue, exports),
        f"packshot, {arguments.unet}": partial(
            Served, "packshot", bundle, queue, row_limit=2, precision="auto"
        ),
        f"packshot, {arguments.unet}, INT8 decoder": partial(
            Served, "packshot", with_int8_decoder(bundle), queue, row_limit=2, precision="auto"
        ),
    }


def faster_precision() -> str:
    """Return what diffusers is fastest in: BF16 where the silicon computes it, else FP32."""
    return "BF16" if choose_device("cpu").mixed else "FP32"


def _diffusers(source: Path, queue: Sequence[ImageSpec], *, both: bool) -> dict[str, Start]:
    """Return diffusers in its faster precision, after FP32 if both are wanted."""
    precisions = dict.fromkeys(("FP32", faster_precision()) if both else (faster_precision(),))
    return {
        f"diffusers, {name}": partial(Served, "torch_diffusers", source, queue, dtype=DTYPES[name])
        for name in precisions
    }


def with_int8_decoder(bundle: Path) -> Path:
    """Make a bundle whose decoder is in INT8, for its time; the other parts are the same files."""
    target = bundle.with_name(f"{bundle.name}-int8-decoder")
    python(_QUANTISE_DECODER, str(bundle), str(target))
    return target


def export_of(source: Path, weights: str) -> Path:
    """Return where optimum's export of a source is: `_EXPORT` puts it there."""
    return source.with_name(f"{source.name}-optimum-{weights}")


def _starter(
    arguments: argparse.Namespace, queue: Sequence[ImageSpec], folder: Path
) -> dict[str, Start]:
    from starter import SOURCE

    source = folder / "starter"
    python(_PREPARE_STARTER, str(folder), str(SOURCE))
    bundles = arguments.bundle or [folder / "bundle"]
    plans = {bundle: _tuned(bundle, folder, arguments.minutes) for bundle in bundles}
    return {
        "diffusers, FP32": partial(Served, "torch_diffusers", SOURCE, queue),
        "OVStableDiffusionPipeline": partial(
            Served, "optimum_openvino", export_of(source, "fp16"), queue
        ),
        **genai(arguments.genai_python, source, queue, ("fp16", "int8")),
        **{
            f"packshot, {bundle.name}": partial(
                Served, "packshot", bundle, queue, precision="auto", **plan
            )
            for bundle, plan in plans.items()
        },
    }


def _tuned(bundle: Path, home: Path, minutes: float) -> dict[str, Any]:
    """Measure a bundle's plan as a user does; give it as `contenders.packshot` takes it."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", "tune", str(bundle), "--minutes", str(minutes)],
        env=os.environ | {"PACKSHOT_HOME": str(home)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{bundle} was not tuned:\n{done.stderr[-3000:]}")
    print(done.stderr, file=sys.stderr)
    plan: dict[str, Any] = json.loads(Path(done.stdout.split()[-1]).read_text())["plan"]
    return {"row_limit": plan.pop("rows"), **plan}


def genai(
    interpreter: str,
    source: Path,
    queue: Sequence[ImageSpec],
    exports: Sequence[str],
    contender: str = "openvino_genai",
) -> dict[str, Start]:
    """Return how openvino-genai is started; nothing without an interpreter that has it."""
    if not interpreter:
        return {}
    return {
        f"openvino-genai, {name}": partial(
            Served, contender, export_of(source, weights), queue, python=interpreter
        )
        for name, weights in (("FP16", "fp16"), ("INT8 weights", "int8"))
        if weights in exports
    }


_EXPORT = """
import shutil, sys, os
from pathlib import Path
import openvino as ov
from openvino_tokenizers import convert_tokenizer
from optimum.intel import OVPipelineForText2Image
from transformers import AutoTokenizer
from modelkit.export.build import build

def export(source, base, exports):
    for name in exports:
        target = base.with_name(f"{base.name}-optimum-{name}")
        if target.is_dir():
            continue
        pipeline = OVPipelineForText2Image.from_pretrained(
            source, export=True, compile=False, load_in_8bit=name == "int8"
        )
        aside = base.with_name("aside")
        shutil.rmtree(aside, ignore_errors=True)
        pipeline.save_pretrained(aside)
        for part in ("tokenizer", "tokenizer_2"):
            if (source / part).is_dir():
                tokenizer = AutoTokenizer.from_pretrained(source / part, local_files_only=True)
                ov.save_model(
                    convert_tokenizer(tokenizer), aside / part / "openvino_tokenizer.xml"
                )
        os.replace(aside, target)
"""

PREPARE = (
    _EXPORT
    + """
from benchmarks.full_size import full_size
from benchmarks.unet_contenders import build as build_unet, graph
cache, unet, family, *exports = sys.argv[1:]
cache = Path(cache)
source, bundle = full_size(cache, family), cache / f"packshot-{family}"
export(source, source, exports)
if not bundle.is_dir():
    build(source, bundle, name="full-size")
build_unet(unet, cache, family)
for suffix in (".xml", ".bin"):
    shutil.copyfile(
        graph(unet, cache, family).with_suffix(suffix),
        bundle / "unet" / f"openvino_model{suffix}",
    )
"""
)

_QUANTISE_DECODER = """
import os, shutil, sys
from pathlib import Path
import numpy as np
import openvino as ov
from bundles.graphs import name_outputs
from modelkit.progress import Silent
from modelkit.quantise.decoder import decoder_recipe
from modelkit.quantise.recipe import quantise
bundle, target = Path(sys.argv[1]), Path(sys.argv[2])
if not target.is_dir():
    aside = target.with_name("aside")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(bundle, aside, copy_function=os.link)
    part = Path("vae_decoder") / "openvino_model.xml"
    model = ov.Core().read_model(bundle / part)
    latents = np.random.default_rng(0).standard_normal((1, 4, 32, 32), np.float32)
    names = [port.get_any_name() for port in model.outputs]
    calls = [{"latent_sample": latents}]
    model = quantise(model, decoder_recipe(model), calls, say=Silent())
    model = name_outputs(model, names)
    for suffix in (".xml", ".bin"):
        (aside / part).with_suffix(suffix).unlink()
    ov.save_model(model, aside / part)
    os.replace(aside, target)
for suffix in (".xml", ".bin"):
    file = Path("unet") / f"openvino_model{suffix}"
    (target / file).unlink()
    os.link(bundle / file, target / file)
"""

_PREPARE_STARTER = (
    _EXPORT
    + """
folder, source = Path(sys.argv[1]), Path(sys.argv[2])
export(source, folder / "starter", ("fp16", "int8"))
build(source, folder / "bundle")
"""
)


def python(code: str, *arguments: str) -> None:
    """Run code in a process of its own, whose memory goes with it."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the models were not made:\n{done.stderr[-3000:]}")


def alone(name: str, start: Start) -> Made:
    """Start a contender, let it make its images, and end it."""
    served = start()
    try:
        made = served.make()
    finally:
        served.close()
    print(f"{name}: {max(made.moments):.1f} s", file=sys.stderr, flush=True)
    return made


def _show(arguments: argparse.Namespace, rounds: Sequence[Mapping[str, Made]]) -> None:
    def seconds(made: Made) -> float:
        return max(made.moments) / len(made.moments)

    names = list(rounds[0])
    others = [name for name in names if not name.startswith("packshot")]
    best = min(others, key=lambda name: statistics.median(seconds(one[name]) for one in rounds))
    rows, result = [], []
    for name in names:
        times = [seconds(one[name]) for one in rounds]
        ratios = [seconds(one[best]) / seconds(one[name]) for one in rounds]
        rss = statistics.median(one[name].peak_rss_mib for one in rounds)
        rows.append(
            {
                "contender": name,
                "seconds per image": spread(times, 2),
                "× the best of the others": spread(ratios, 2),
                "peak RSS, MiB": f"{rss:.0f}",
            }
        )
        result.append(
            {"contender": name, "seconds": times, "ratios_to_best": ratios, "peak_rss_mib": rss}
        )
    summary: dict[str, Any] = {
        "model": arguments.model,
        "rounds": len(rounds),
        "images": len(rounds[0][best].moments),
        "best_of_the_others": best,
        "contenders": result,
    }
    show(f"pipeline, {arguments.model}", rows, summary)


if __name__ == "__main__":
    main()
