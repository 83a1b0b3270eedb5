"""The contenders of `benchmarks.unet`: how each is made, started and called."""

import re
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from benchmarks.families import POOLED, UNETS

ROWS = 2
TOKENS = 77
CALIBRATED_PIXELS = 256
BASELINE = "torch-fp32"
STREAMS = "-2-streams"
_MERGED = re.compile(
    r"int8-tome-(?P<ratio>[\d.]+)-(?P<mode>mean|drop|downsample)(?P<everywhere>-all)?"
)

HINTS = ("-fp32", "-bf16")
"""What a graph is computed in where it is not INT8: which is faster only measuring tells."""

GRAPHS = (
    "openvino",
    "int8",
    *(f"int8-tome-{ratio}-{mode}" for ratio in (0.3, 0.4, 0.5) for mode in ("mean", "drop")),
    *(f"int8-tome-{ratio}-drop-all" for ratio in (0.3, 0.4, 0.5)),
    "int8-tome-0.75-downsample",
    f"int8{STREAMS}",
    f"int8-tome-0.5-drop-all{STREAMS}",
)
NAMES = (BASELINE, "torch-bf16", *(f"{one}{hint}" for one in GRAPHS for hint in HINTS))
"""`-all` merges before cross-attention and MLP too, and at the second resolution; `-2-streams` runs
two rows beside each other instead of in one batch."""

Inputs = Mapping[str, Any]
Call = Callable[[], None]


def build(name: str, cache: Path, family: str = "sd15") -> None:
    """Make what a contender loads, unless it is there."""
    from benchmarks.full_size import full_size

    source = full_size(cache, family)
    target = graph(name, cache, family)
    if name.startswith("torch") or target.is_file():
        return
    model = _convert(source, target.stem)
    if name.startswith("int8"):
        model = quantised(model, family)
    aside = target.with_name("aside.xml")
    ov.save_model(model, aside, compress_to_fp16=True)
    del model
    aside.with_suffix(".bin").replace(target.with_suffix(".bin"))
    aside.replace(target)


def run(name: str, cache: Path, size: int, calls: int, family: str = "sd15") -> dict[str, Any]:
    """Start a contender for one image size, and time its calls.

    Returns:
        Seconds to its start (loading and compiling), seconds of a row and step (the fastest of
        `calls`), the peak of its resident memory, and the size of its weights.
    """
    if name == "int8-matrix-product":
        return {"tera_ops": _int8_peak()}
    begun = time.monotonic()
    prepare = _torch if name.startswith("torch") else _openvino
    call, weights = prepare(name, cache, inputs(size, family), family)
    started = time.monotonic() - begun
    call()
    times = []
    for _ in range(calls):
        begun = time.monotonic()
        call()
        times.append(time.monotonic() - begun)
    return {
        "start_s": started,
        "seconds": min(times) / ROWS,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "weights_mib": weights / 2**20,
    }


def graph(name: str, cache: Path, family: str = "sd15") -> Path:
    """Return where the OpenVINO model of a contender lies."""
    folder = cache / ("unet" if family == "sd15" else f"unet-{family}")
    folder.mkdir(parents=True, exist_ok=True)
    # These are chosen when the graph is compiled.
    for choice in (*HINTS, STREAMS):
        name = name.removesuffix(choice)
    return folder / f"{name}.xml"


def _convert(source: Path, name: str) -> ov.Model:
    from bundles.manifest import TokenMergingPlan
    from modelkit.export.unet import convert_unet

    merged = _MERGED.fullmatch(name)
    plan = None
    if merged:
        ratio, everywhere = float(merged["ratio"]), bool(merged["everywhere"])
        plan = TokenMergingPlan(
            ratios=(ratio, ratio) if everywhere else (ratio,),
            mode=merged["mode"],
            cross_attention=everywhere,
            mlp=everywhere,
        )
    return convert_unet(source / "unet", plan)


def quantised(model: ov.Model, family: str = "sd15") -> ov.Model:
    """Return a UNet in INT8, for its time: its pictures would be poor."""
    from modelkit.progress import Silent
    from modelkit.quantise.recipe import QuantisationRecipe, quantise

    # What it is calibrated on decides the image, not the time.
    recipe = QuantisationRecipe(smooth_quant_alpha=None, bias_correction="none")
    return quantise(model, recipe, [inputs(CALIBRATED_PIXELS, family)], say=Silent())


def inputs(size: int, family: str = "sd15") -> dict[str, Any]:
    """Return a call's inputs for images of so many pixels a side, by name."""
    rng = np.random.default_rng(0)
    width = UNETS[family]["cross_attention_dim"]
    given = {
        "sample": rng.standard_normal((ROWS, 4, size // 8, size // 8), np.float32),
        "timestep": np.full(ROWS, 500.0, np.float32),
        "encoder_hidden_states": rng.standard_normal((ROWS, TOKENS, width), np.float32),
    }
    if family != "sd15":
        given["text_embeds"] = rng.standard_normal((ROWS, POOLED), np.float32)
        given["time_ids"] = np.tile(np.float32([size, size, 0, 0, size, size]), (ROWS, 1))
    return given


def _torch(name: str, cache: Path, inputs: Inputs, family: str) -> tuple[Call, int]:
    import torch
    from diffusers import UNet2DConditionModel

    dtype = torch.float32 if name == BASELINE else torch.bfloat16
    unet = UNet2DConditionModel.from_pretrained(
        cache / f"{family}-random", subfolder="unet", torch_dtype=dtype
    )
    tensors = {key: torch.from_numpy(value).to(dtype) for key, value in inputs.items()}
    added = {key: tensors.pop(key) for key in ("text_embeds", "time_ids") if key in tensors}

    @torch.inference_mode()
    def call() -> None:
        unet(**tensors, added_cond_kwargs=added)

    return call, sum(one.numel() * one.element_size() for one in unet.parameters())


def _openvino(name: str, cache: Path, inputs: Inputs, family: str) -> tuple[Call, int]:
    path = graph(name, cache, family)
    streams = 2 if STREAMS in name else 1
    parts = {key: np.split(value, streams) for key, value in inputs.items()}
    core = ov.Core()
    model = core.read_model(path)
    # packshot compiles for the shapes that it runs most.
    model.reshape({key: list(value[0].shape) for key, value in parts.items()})
    properties = {
        "NUM_STREAMS": streams,
        "INFERENCE_PRECISION_HINT": "f32" if name.endswith("fp32") else "bf16",
        "CACHE_DIR": str(cache / "compiled"),
    }
    compiled = core.compile_model(model, "CPU", properties)
    del model
    requests = [compiled.create_infer_request() for _ in range(streams)]
    for number, request in enumerate(requests):
        for key, value in parts.items():
            request.set_tensor(key, ov.Tensor(value[number]))

    def call() -> None:
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()

    return call, path.with_suffix(".bin").stat().st_size


def _int8_peak() -> float:
    """Measure a matrix product of 2048³ in INT8, in 10¹² multiplications and additions a second."""
    from openvino import opset13 as op

    size = 2048
    rng = np.random.default_rng(0)
    left = op.parameter([size, size], np.float32)
    # A whole zero point: 0 is one of the 256 levels.
    low, high = np.float32(-2), np.float32(2 * 127 / 128)
    quantised = op.fake_quantize(left, low, high, low, high, 256)
    # Weights as NNCF stores them: INT8, with a scale per output channel.
    weights = op.constant(rng.integers(-127, 127, (size, size), np.int8))
    restored = op.multiply(
        op.convert(weights, "f32"), op.constant(np.full((size, 1), 0.01, np.float32))
    )
    product = op.matmul(quantised, restored, False, True)
    model = ov.Model([op.result(product)], [left])
    request = ov.Core().compile_model(model, "CPU").create_infer_request()
    inputs = [rng.standard_normal((size, size), np.float32)]
    times = []
    for _ in range(20):
        begun = time.monotonic()
        request.infer(inputs)
        times.append(time.monotonic() - begun)
    return float(2 * size**3 / min(times) / 1e12)
