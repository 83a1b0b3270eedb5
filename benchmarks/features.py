"""What keeping features between steps saves of a full-size UNet's time.

`python -m benchmarks.features [--cache DIR] [--sizes 512 256] [--rounds 5] [--branch 0]`

The UNet has Stable Diffusion 1.5's configuration and random weights (time does not depend on them),
in INT8, with half of the tokens merged at two resolutions, in BF16 for the rest. It runs as in a
worker, copies of features included: two rows a call, as one image with guidance, of a fixed shape.
In each round a whole step without features, one that leaves them and one that takes them follow
each other, so that a machine whose speed drifts is unfair to none. A 50-step image is added up from
the medians; DeepCache's at N = 3 is also walked for as many steps as `--walk` says.

Block Cache's cheap step reuses every transformer block: the schedule of a real model is between
this and the whole step.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from benchmarks.report import show, spread
from benchmarks.unet_contenders import ROWS, inputs, quantised
from bundles.graphs import cut
from bundles.manifest import DeepCache, FeatureVariant, TokenMergingPlan
from bundles.step_plan import step_plan
from modelkit.export.unet import DEEP, deep_point, transformer_points
from worker.model import HIDDEN_STATES, Features, StepInputs
from worker.unet import UNet

STEPS = 50
INTERVALS = (2, 3, 5)
MERGING = TokenMergingPlan(ratios=(0.5, 0.5), mode="drop", cross_attention=True, mlp=True)
WALKED = 3
"""The interval of the steps that are walked one after another."""


class Steps:
    """One method's steps on the compiled UNets."""

    def __init__(self, model: ov.Model, names: Sequence[str], size: int) -> None:
        """Compile the whole UNet, the one that leaves features, and the one that takes them."""
        latents = size // 8
        self._names = names
        self._values = inputs(size)
        fixed = [(ROWS, latents, latents)]

        def unet(**variant: Any) -> UNet:
            shapes = variant.pop("feature_shapes", None)
            graph = cut(model, **variant)
            return UNet(graph, _compile, fixed=fixed, feature_shapes=shapes)

        self._plain = unet(takes=(), leaves=())
        self._full = unet(takes=(), leaves=names)
        self._cheap = unet(takes=names, leaves=(), feature_shapes=self._full.feature_shapes)
        self._kept: list[Features] = []

    def plain(self) -> None:
        """Take a step without features."""
        self._run(self._plain, [{}] * ROWS, ())

    def full(self) -> None:
        """Take a step that leaves features."""
        self._kept = self._run(self._full, [{}] * ROWS, self._names)

    def cheap(self) -> None:
        """Take a step that takes them."""
        self._run(self._cheap, self._kept, ())

    def _run(self, unet: UNet, taken: Sequence[Features], kept: Sequence[str]) -> list[Features]:
        values = self._values
        step = StepInputs(
            samples=values["sample"],
            timesteps=list(values["timestep"]),
            conditioning={HIDDEN_STATES: values[HIDDEN_STATES]},
            taken=taken,
            kept=[kept] * ROWS,
        )
        return unet.predict(step)[1]


def main() -> None:
    """Make the graph once, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".packshot/benchmarks"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 256])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--branch", type=int, default=0, help="DeepCache's")
    parser.add_argument("--walk", type=int, default=6, help="steps of a plan that are walked")
    parser.add_argument(
        "--methods", nargs="+", default=["deepcache", "blockcache"],
        choices=["deepcache", "blockcache"],
    )  # fmt: skip
    arguments = parser.parse_args()
    path = graph(arguments.cache, arguments.branch)
    found = [
        measure(path, method, size, arguments)
        for size in arguments.sizes
        for method in arguments.methods
    ]
    show(
        f"a {STEPS}-step image's UNet time, features kept between steps",
        [_row(one) for one in found],
        {"steps": STEPS, "branch": arguments.branch, "results": found},
    )


def graph(cache: Path, branch: int) -> Path:
    """Give the INT8 UNet that gives the features of both methods; made once (minutes, 12 GB)."""
    from benchmarks.full_size import full_size
    from modelkit.export.unet import convert_unet

    folder = cache / "features"
    path = folder / f"int8-tome-0.5-branch-{branch}.xml"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        model = convert_unet(
            full_size(cache) / "unet",
            MERGING,
            lambda unet: {**deep_point(unet, branch), **transformer_points(unet)},
        )
        names = [port.get_any_name() for port in model.outputs]
        model = quantised(model)
        for port, name in zip(model.outputs, names, strict=True):
            port.get_tensor().set_names({name})
        aside = folder / "aside.xml"
        ov.save_model(model, aside, compress_to_fp16=True)
        aside.with_suffix(".bin").replace(path.with_suffix(".bin"))
        aside.replace(path)
    return path


def measure(path: Path, method: str, size: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time one method's steps, in turns."""
    model = ov.Core().read_model(path)
    outputs = [port.get_any_name() for port in model.outputs[1:]]
    names = [DEEP] if method == "deepcache" else [name for name in outputs if name != DEEP]
    steps = Steps(model, names, size)
    kinds: dict[str, Callable[[], None]] = {
        "plain": steps.plain, "full": steps.full, "cheap": steps.cheap,
    }  # fmt: skip
    for step in kinds.values():
        step()
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    walks: list[float] = []
    for number in range(arguments.rounds):
        for name, step in kinds.items():
            seconds[name].append(_timed([step]))
        if method == "deepcache" and arguments.walk:
            plan = _plan(WALKED)[: arguments.walk]
            walked = _timed([steps.cheap if place else steps.full for place in plan])
            walks.append(_timed([steps.plain] * len(plan)) / walked)
        said = ", ".join(f"{name} {seconds[name][-1]:.3f} s" for name in kinds)
        print(f"{method} {size}² round {number + 1}: {said}", file=sys.stderr, flush=True)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "method": method,
        "size": size,
        "seconds": seconds,
        "cheap_share": middle["cheap"] / middle["plain"],
        "speed_up": {interval: _speed_up(middle, interval) for interval in INTERVALS},
        "walked": walks,
    }


class _Unused:
    """In the place of the graph for any shape, which no call here takes: it would cost minutes."""

    def create_infer_request(self) -> None:
        """Give none."""


def _compile(model: ov.Model) -> Any:
    if model.is_dynamic():
        return _Unused()
    properties = {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"}
    return ov.Core().compile_model(model, "CPU", properties)


def _timed(steps: Sequence[Callable[[], None]]) -> float:
    begun = time.perf_counter()
    for step in steps:
        step()
    return time.perf_counter() - begun


def _plan(interval: int) -> Sequence[int]:
    variants = (
        FeatureVariant(name="full", leaves=(DEEP,)),
        FeatureVariant(name="shallow", takes=(DEEP,)),
    )
    return step_plan(DeepCache(interval=interval, variants=variants), STEPS)


def _speed_up(middle: dict[str, float], interval: int) -> float:
    plan = _plan(interval)
    cost = sum(middle["cheap"] if place else middle["full"] for place in plan)
    return STEPS * middle["plain"] / cost


def _row(one: dict[str, Any]) -> dict[str, str]:
    row = {"method": f"{one['size']}² {one['method']}"}
    for name, values in one["seconds"].items():
        row[f"{name}, s/row"] = spread(np.divide(values, ROWS).tolist(), 3)
    row["cheap, share"] = f"{one['cheap_share']:.0%}"
    for interval, factor in one["speed_up"].items():
        row[f"× N={interval}"] = f"{factor:.2f}"
    row["× walked"] = f"{statistics.median(one['walked']):.2f}" if one["walked"] else ""
    return row


if __name__ == "__main__":
    main()
