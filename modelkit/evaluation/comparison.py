"""The same prompts and seeds through one bundle or two, and what their images score."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np

from bundles.manifest import Manifest
from core.errors import BundleError
from modelkit.evaluation.attributes import judge, score_attributes
from modelkit.evaluation.clip import ClipJudge
from modelkit.evaluation.similarity import Pixels, psnr, ssim
from modelkit.progress import Progress
from starter.data.attributes import Product

Generate = Callable[[Sequence[str], Sequence[int]], Iterator[Pixels]]
"""Draws one image per prompt and seed, in their order; each (height, width, 3), RGB."""

IDENTICAL_DB = 100.0
"""What an image without any difference counts as in a mean of PSNRs, which infinity would spoil."""


def likeness(one: Pixels, other: Pixels) -> float:
    """Give the PSNR in dB, of which a mean can be taken."""
    return min(psnr(one, other), IDENTICAL_DB)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A bundle and the way to draw with it."""

    manifest: Manifest
    generate: Generate


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is drawn and who looks at it."""

    prompts: Sequence[str]
    first_seed: int
    """The i-th prompt is drawn with this seed + i."""
    products: Sequence[Product] | None = None
    """What the starter's classifier should see, one per prompt; None: it is not asked."""
    clip: ClipJudge | None = None

    @property
    def seeds(self) -> list[int]:
        """One for each prompt."""
        return [self.first_seed + number for number in range(len(self.prompts))]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One bundle's images and scores."""

    manifest: Manifest
    images: list[Pixels]
    scores: dict[str, float]
    """Means over all images, by name."""
    each: dict[str, list[float]] = field(default_factory=dict)
    """Scores image by image, by name."""
    details: dict[str, Any] = field(default_factory=dict)
    """What is worth reading besides: accuracies by attribute, and mistakes."""


def evaluate(
    subject: Subject, against: Subject | None, task: Task, say: Progress
) -> tuple[Judged, Judged | None]:
    """Draw and judge.

    Args:
        subject: The bundle in question. Each bundle draws at its own defaults.
        against: The bundle that it is compared with, such as its floating-point original.
        task: Prompts, seeds and judges.
        say: Hears of each image.

    Returns:
        The subject, with `psnr` (dB) and `ssim` where there is something to compare with,
        `attribute_accuracy` (share of images right in all attributes) and `clip_score` where
        their judges are there; and the other, with what makes sense for it alone.

    Raises:
        BundleError: The two draw images of different sizes.
    """
    if against is not None:
        _check_sizes(subject.manifest, against.manifest)
    reference = None if against is None else _judge(against, task, None, say)
    return _judge(subject, task, reference, say), reference


def _judge(subject: Subject, task: Task, reference: Judged | None, say: Progress) -> Judged:
    say.stage(f"draw with {subject.manifest.name}", len(task.prompts))
    images = []
    for image in subject.generate(task.prompts, task.seeds):
        images.append(image)
        say.advance()
    each: dict[str, list[float]] = {}
    details: dict[str, Any] = {}
    if reference is not None:
        pairs = list(zip(images, reference.images, strict=True))
        each["psnr"] = [likeness(one, other) for one, other in pairs]
        each["ssim"] = [ssim(one, other) for one, other in pairs]
    if task.products is not None:
        seen = score_attributes(judge(), np.stack(images), task.products)
        each["attribute_accuracy"] = [float(right) for right in seen.right]
        details = {"accuracy": seen.accuracy, "mistakes": seen.mistakes}
    if task.clip is not None:
        each["clip_score"] = task.clip.score(images, task.prompts).tolist()
    return Judged(
        manifest=subject.manifest,
        images=images,
        scores={name: fmean(values) for name, values in each.items()},
        each=each,
        details=details,
    )


def _check_sizes(one: Manifest, other: Manifest) -> None:
    if (one.defaults.width, one.defaults.height) != (other.defaults.width, other.defaults.height):
        raise BundleError(
            f"{one.name} draws {one.defaults.width}×{one.defaults.height} and {other.name} "
            f"{other.defaults.width}×{other.defaults.height} pixels: "
            "compare bundles whose default sizes are equal"
        )
