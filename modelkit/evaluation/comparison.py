"""The same prompts and seeds through one bundle or two, and what their images score."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest, save_manifest
from core.errors import BundleError
from modelkit.evaluation.clip import ClipJudge
from modelkit.evaluation.scenes import SceneJudge
from modelkit.evaluation.similarity import Pixels, psnr, ssim
from modelkit.progress import Progress
from starter import SOURCE
from starter.data.attributes import ATTRIBUTES, Product
from starter.data.classifier import AttributeClassifier, load_classifier
from starter.scenes.pictures import to_tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class AttributeScores:
    """What the classifier saw, against what was asked for."""

    accuracy: dict[str, float]
    """Share of right answers by attribute, and of pictures with `all` of them right; 0 to 1."""
    mistakes: dict[str, Counter[str]]
    """What was taken for what ("red as orange") and how often, by attribute."""
    right: tuple[bool, ...]
    """For each picture, whether all its attributes are right."""


def judge() -> AttributeClassifier:
    """Load the classifier that ships with the starter."""
    return load_classifier(SOURCE / "classifier")


def score_attributes(
    classifier: AttributeClassifier, pictures: npt.NDArray[np.uint8], products: Sequence[Product]
) -> AttributeScores:
    """Compare what the classifier sees with the products that were asked for.

    Args:
        classifier: The judge.
        pictures: (count, 128, 128, 3), RGB.
        products: One per picture.
    """
    seen = classifier.classify(to_tensor(pictures))
    wanted = np.array([product.labels() for product in products])
    right = wanted == seen
    accuracy = {name: float(right[:, column].mean()) for column, name in enumerate(ATTRIBUTES)}
    return AttributeScores(
        accuracy={**accuracy, "all": float(right.all(axis=1).mean())},
        mistakes={
            name: _mistakes([str(value) for value in values], wanted[:, column], seen[:, column])
            for column, (name, values) in enumerate(ATTRIBUTES.items())
        },
        right=tuple(bool(row) for row in right.all(axis=1)),
    )


def _mistakes(
    names: Sequence[str], wanted: npt.NDArray[np.int64], seen: npt.NDArray[np.int64]
) -> Counter[str]:
    return Counter(
        f"{names[want]} as {names[saw]}"
        for want, saw in zip(wanted, seen, strict=True)
        if want != saw
    )


Generate = Callable[[Sequence[str], Sequence[int]], Iterator[Pixels]]
"""Draws one image per prompt and seed, in their order; each (height, width, 3), RGB."""

IDENTICAL_DB = 100.0
"""What an image without any difference counts as in a mean of PSNRs, which infinity would spoil."""


def likeness(one: Pixels, other: Pixels) -> float:
    """Return the PSNR in dB, of which a mean can be taken."""
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
    scenes: SceneJudge | None = None
    """The judge that the bundle carries; None: it has none, or other prompts are drawn."""
    clip: ClipJudge | None = None

    @property
    def seeds(self) -> list[int]:
        """Return one seed for each prompt."""
        return [self.first_seed + number for number in range(len(self.prompts))]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """One bundle's images and scores."""

    manifest: Manifest
    images: list[Pixels]
    scores: dict[str, float]
    """Means over all images, by name."""
    each: dict[str, list[float]] = field(default_factory=dict)
    """Scores image by image, by name."""
    errors: dict[str, float] = field(default_factory=dict)
    """Standard errors of the scores that a judge of sets gave, by name."""
    details: dict[str, Any] = field(default_factory=dict)
    """What is worth reading besides: accuracies by attribute, and mistakes."""


def evaluate(
    subject: Subject, against: Subject | None, task: Task, say: Progress
) -> tuple[Evaluated, Evaluated | None]:
    """Draw and judge.

    Args:
        subject: The bundle in question. Each bundle draws at its own defaults.
        against: The bundle that it is compared with, such as its floating-point original.
        task: Prompts, seeds and judges.
        say: Hears of each image.

    Returns:
        The subject, with `psnr` (dB) and `ssim` where there is something to compare with,
        `attribute_accuracy` (share of images right in all attributes) and `clip_score` where
        their judges are there, what a judge of scenes says of all images together where the
        bundle carries one; and the other, with what makes sense for it alone.

    Raises:
        BundleError: The two draw images of different sizes.
    """
    if against is not None:
        check_sizes(subject.manifest, against.manifest)
    reference = None if against is None else _judge(against, task, None, say)
    return _judge(subject, task, reference, say), reference


def _judge(subject: Subject, task: Task, reference: Evaluated | None, say: Progress) -> Evaluated:
    images = _draw(subject, task, say)
    each = {} if reference is None else _likenesses(images, reference.images)
    details: dict[str, Any] = {}
    if task.products is not None:
        seen = score_attributes(judge(), np.stack(images), task.products)
        each["attribute_accuracy"] = [float(right) for right in seen.right]
        details = {"accuracy": seen.accuracy, "mistakes": seen.mistakes}
    judged = None if task.scenes is None else task.scenes.judge(np.stack(images))
    if judged is not None:
        each["attribute_accuracy"] = [float(right) for right in judged.right]
        details = {"accuracy": judged.accuracy, "errors": judged.errors}
    if task.clip is not None:
        each["clip_score"] = task.clip.score(images, task.prompts).tolist()
    return Evaluated(
        manifest=subject.manifest,
        images=images,
        scores={name: fmean(values) for name, values in each.items()}
        | (judged.scores if judged else {}),
        each=each,
        errors=judged.errors if judged else {},
        details=details,
    )


def _draw(subject: Subject, task: Task, say: Progress) -> list[Pixels]:
    say.stage(f"draw with {subject.manifest.name}", len(task.prompts))
    images = []
    for image in subject.generate(task.prompts, task.seeds):
        images.append(image)
        say.advance()
    return images


def _likenesses(images: Sequence[Pixels], others: Sequence[Pixels]) -> dict[str, list[float]]:
    pairs = list(zip(images, others, strict=True))
    return {
        "psnr": [likeness(one, other) for one, other in pairs],
        "ssim": [ssim(one, other) for one, other in pairs],
    }


def check_sizes(one: Manifest, other: Manifest) -> None:
    """Check that two bundles draw images of one size by default.

    Raises:
        BundleError: They do not.
    """
    if (one.defaults.width, one.defaults.height) != (other.defaults.width, other.defaults.height):
        raise BundleError(
            f"{one.name} draws {one.defaults.width}×{one.defaults.height} and {other.name} "
            f"{other.defaults.width}×{other.defaults.height} pixels: "
            "compare bundles whose default sizes are equal."
        )


def write_report(file: Path, judged: Evaluated, reference: Evaluated | None, task: Task) -> None:
    """Write everything that was found as JSON, aside and renamed."""
    content = {
        "bundle": _describe(judged),
        "against": None if reference is None else _describe(reference),
        "images": [
            {
                "prompt": prompt,
                "seed": seed,
                **{name: values[number] for name, values in judged.each.items()},
            }
            for number, (prompt, seed) in enumerate(zip(task.prompts, task.seeds, strict=True))
        ],
    }
    write_aside(file, content)


def record_scores(folder: Path, scores: dict[str, float]) -> None:
    """Write scores into a bundle's manifest; those that were not measured now stay as they are.

    Raises:
        BundleError: There is no bundle any more.
    """
    manifest = load_manifest(folder)
    save_manifest(manifest.model_copy(update={"scores": {**manifest.scores, **scores}}), folder)


def write_aside(file: Path, content: Any) -> None:
    """Write JSON for people beside its place, and rename it."""
    aside = file.with_name(f".{file.name}.part")
    aside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(aside, file)


def _describe(judged: Evaluated) -> dict[str, Any]:
    manifest = judged.manifest
    return {
        "name": manifest.name,
        "revision": manifest.revision,
        "precision": manifest.precision,
        "defaults": manifest.defaults.model_dump(),
        "scores": judged.scores,
        **judged.details,
    }
