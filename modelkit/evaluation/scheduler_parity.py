"""A bundle beside diffusers, scheduler by scheduler."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundles.manifest import Defaults, Manifest
from bundles.plan import Plan
from core.errors import BundleError
from modelkit.evaluation.comparison import likeness
from modelkit.evaluation.parity import LEAST_DB, draw, is_lossy
from modelkit.evaluation.reference import DiffusersReference
from modelkit.evaluation.similarity import Pixels
from modelkit.progress import Progress, Silent
from worker.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerParity:
    """How near a bundle's images with one scheduler are to those of diffusers."""

    decibels: float | None
    """PSNR of the worst one; None: diffusers cannot draw with it either."""
    least: float | None
    """What a healthy bundle reaches; None: it draws other images on purpose."""

    @property
    def good(self) -> bool:
        """Return whether they are near enough, as far as that can be said; NaN is not."""
        return self.decibels is None or self.least is None or self.decibels >= self.least


def compare_schedulers(
    bundle: Path,
    manifest: Manifest,
    source: Path,
    *,
    prompts: Sequence[str],
    first_seed: int,
    drawn: Defaults,
    schedulers: Sequence[str],
    say: Progress | None = None,
) -> Mapping[str, SchedulerParity]:
    """Draw some prompts with every scheduler, by diffusers and by the bundle, in FP32.

    Args:
        bundle: The bundle's folder.
        manifest: Its manifest.
        source: The diffusers folder that it was made from.
        prompts: What to draw.
        first_seed: The i-th prompt is drawn with this seed + i.
        drawn: Size, steps, guidance and negative prompt.
        schedulers: Their names.
        say: Hears of each scheduler, twice.

    Returns:
        Figures by scheduler.

    Raises:
        BundleError: The bundle cannot draw what diffusers draws.
    """
    say = say or Silent()
    say.stage("draw with diffusers", len(schedulers))
    reference = DiffusersReference(source, halves=manifest.precision != "fp32")
    seeds = range(first_seed, first_seed + len(prompts))
    wanted: dict[str, list[Pixels] | None] = {}
    for name in schedulers:
        changed = drawn.model_copy(update={"scheduler": name})
        try:
            wanted[name] = list(reference.draw_all(prompts, seeds, changed))
        except BundleError:
            wanted[name] = None
        say.advance()
    # Two copies of a large model need not fit.
    del reference
    gc.collect()
    say.stage(f"draw with {manifest.name}", len(schedulers))
    pipeline = Pipeline(bundle, precision="f32", plan=Plan())
    least = None if is_lossy(manifest) else LEAST_DB[manifest.precision]
    found = {}
    for name, images in wanted.items():
        worst = None
        if images is not None:
            changed = drawn.model_copy(update={"scheduler": name})
            worst = min(
                likeness(draw(pipeline, prompt, seed, changed), image)
                for prompt, seed, image in zip(prompts, seeds, images, strict=True)
            )
        found[name] = SchedulerParity(decibels=worst, least=least)
        say.advance()
    return found
