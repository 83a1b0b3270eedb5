"""What keeping features between steps does to the starter's pictures, beside simply fewer steps.

`python -m benchmarks.feature_quality [--cache DIR] [--prompts 64] [--only deepcache block steps]`

Bundles are built into the cache folder, once. Each way of saving draws the same held-out prompts
with the same seeds through the engine, as a worker would; PSNR and SSIM are against the bundle that
keeps nothing. Work is in whole steps, by multiplications; seconds are the process's CPU time for an
image, everything included.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import show
from bundles.manifest import FILE_NAME, Manifest
from bundles.manifest_file import load_manifest
from bundles.step_plan import step_plan, work
from core.settings import Settings
from modelkit.evaluation.comparison import Evaluated, Subject, Task, evaluate
from modelkit.evaluation.similarity import Pixels
from modelkit.evaluation.trial import draw
from modelkit.export.build import build
from modelkit.features.order import BlockCacheOrder, CachingOrder, DeepCacheOrder
from modelkit.progress import Silent
from modelkit.prompts import held_out_products
from starter import SOURCE
from starter.data.captions import canonical_caption

BRANCHES, INTERVALS, THRESHOLDS = (0, 1), (2, 3, 5), (0.2, 0.35, 0.5)
STEPS = (15, 12, 9, 7)
"""The rivals: about what the ways of keeping features cost."""


@dataclass(kw_only=True)
class Way:
    """One way of saving work."""

    name: str
    caching: CachingOrder | None = None
    steps: int | None = None
    """None: the model's own."""


def main() -> None:
    """Draw and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".packshot/benchmarks"))
    parser.add_argument("--prompts", type=int, default=64)
    kinds = ["deepcache", "centred", "block", "steps"]
    parser.add_argument("--only", nargs="+", default=kinds, choices=kinds)
    arguments = parser.parse_args()
    settings = Settings(home=arguments.cache / "features")
    products = held_out_products(arguments.prompts)
    task = Task(
        prompts=[canonical_caption(product) for product in products],
        first_seed=1000,
        products=products,
    )
    whole, _ = _draw(Way(name="whole"), settings, task, None)
    rows, results = [], []
    for way in (Way(name="whole"), *_ways(arguments.only)):
        judged, seconds = _draw(way, settings, task, whole)
        figures = {"way": way.name, "work": _work(judged.manifest), "cpu_s": seconds}
        results.append(figures | judged.scores)
        rows.append(_row(results[-1]))
        print(rows[-1], file=sys.stderr, flush=True)
    show("features kept between the starter's steps", rows, {"results": results})


def _ways(kinds: list[str]) -> Iterator[Way]:
    for branch in BRANCHES if "deepcache" in kinds else ():
        for interval in INTERVALS:
            order = DeepCacheOrder(interval=interval, branch=branch)
            yield Way(name=f"DeepCache {interval}, branch {branch}", caching=order)
    for interval in INTERVALS if "centred" in kinds else ():
        order = DeepCacheOrder(interval=interval, schedule="centred")
        yield Way(name=f"DeepCache {interval}, centred", caching=order)
    for threshold in THRESHOLDS if "block" in kinds else ():
        block = BlockCacheOrder(threshold=threshold)
        yield Way(name=f"Block Cache {threshold:g}", caching=block)
    for steps in STEPS if "steps" in kinds else ():
        yield Way(name=f"{steps} steps", steps=steps)


def _draw(
    way: Way, settings: Settings, task: Task, whole: Evaluated | None
) -> tuple[Evaluated, float]:
    folder = settings.home / (way.name if way.caching else "whole").lower().replace(" ", "-")
    built = (folder / FILE_NAME).is_file()
    manifest = (
        load_manifest(folder)
        if built
        else build(SOURCE, folder, precision="fp16", caching=way.caching)
    )
    if way.steps is not None:
        defaults = manifest.defaults.model_copy(update={"steps": way.steps})
        manifest = manifest.model_copy(update={"defaults": defaults})
    begun = time.process_time()
    images = list(draw(folder, manifest, settings, task.prompts, task.seeds))
    seconds = (time.process_time() - begun) / len(images)
    against = None if whole is None else _drawn(whole.manifest, whole.images)
    judged, _ = evaluate(_drawn(manifest, images), against, task, Silent())
    return judged, seconds


def _drawn(manifest: Manifest, images: Sequence[Pixels]) -> Subject:
    """Show images that are drawn already."""

    def generate(prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Pixels]:  # noqa: ARG001
        return iter(images)

    return Subject(manifest=manifest, generate=generate)


def _work(manifest: Manifest) -> float:
    caching, steps = manifest.feature_caching, manifest.defaults.steps
    return work(caching, step_plan(caching, steps)) if caching else float(steps)


def _row(figures: dict[str, Any]) -> dict[str, str]:
    return {
        "way": figures["way"],
        "work, steps": f"{figures['work']:.1f}",
        "CPU s/image": f"{figures['cpu_s']:.3f}",
        "PSNR, dB": f"{figures['psnr']:.1f}",
        "SSIM": f"{figures['ssim']:.4f}",
        "attributes": f"{figures['attribute_accuracy']:.1%}",
    }


if __name__ == "__main__":
    main()
