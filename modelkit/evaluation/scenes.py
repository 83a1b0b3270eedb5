"""Judges pictures of scenes against true ones of the same subjects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bundles.manifest import JUDGE
from modelkit.evaluation.distribution import (
    diversity,
    mmd,
    mmd_error,
    null_mmds,
    sharpness,
    standard_error,
)
from starter.scenes.captions import canonical_caption
from starter.scenes.classifier import SceneClassifier, load_classifier
from starter.scenes.pictures import draw_scenes
from starter.scenes.subjects import ATTRIBUTES, Subject, split_subjects

Pixels = npt.NDArray[np.uint8]

EACH = 4
"""Pictures of one prompt, so that diversity is seen."""
TRUE, OTHER_TRUE = 101, 102
"""Seeds of the true pictures, and of others that show how far these are apart by chance."""
FLOOR = 0.95
"""Quantile of the distances between true pictures that a distance must exceed to mean anything."""


@dataclass(frozen=True, kw_only=True)
class SceneScores:
    """What a set of pictures scores."""

    scores: dict[str, float]
    """`attribute_accuracy` (share right in all), `mmd` (to true pictures) and `mmd_floor`,
    `sharpness` and `diversity` (1: as true pictures have)."""
    errors: dict[str, float]
    """The standard error of each but the floor."""
    accuracy: dict[str, float]
    """Share of right answers, by attribute."""
    right: tuple[bool, ...]
    """For each picture, whether all its attributes are."""


def shown_subjects(count: int) -> list[Subject]:
    """Return what at least `count` pictures show: held-out subjects, each EACH times in a row."""
    _, held_out = split_subjects()
    rows = EACH * max(2, -(-count // EACH))
    return [held_out[row // EACH % len(held_out)] for row in range(rows)]


def prompts_of(subjects: Sequence[Subject]) -> list[str]:
    """Return the plain caption of each subject."""
    return [canonical_caption(subject) for subject in subjects]


class SceneJudge:
    """A classifier with true pictures of the same subjects."""

    def __init__(self, classifier: SceneClassifier, subjects: Sequence[Subject]) -> None:
        """Draw true pictures of subjects, and look at them.

        Args:
            classifier: Looks.
            subjects: What each picture will show: at least two of them each of at least two
                subjects.

        Raises:
            ValueError: There are fewer.
        """
        numbers = {subject: number for number, subject in enumerate(dict.fromkeys(subjects))}
        self.prompts = np.array([numbers[subject] for subject in subjects])
        self.count = len(numbers)
        if self.count < 2 or np.bincount(self.prompts).min() < 2:
            raise ValueError("A judge needs two pictures of each of two subjects, or more.")
        self._classifier = classifier
        self._wanted = np.array([subject.labels() for subject in subjects])
        pixels = draw_scenes(subjects, len(subjects), TRUE).pixels
        other = draw_scenes(subjects, len(subjects), OTHER_TRUE).pixels
        self.true = pixels
        _, self._features = classifier.look(pixels)
        _, other_features = classifier.look(other)
        self._sharpness = sharpness(pixels)
        self._diversity = diversity(pixels, self.prompts)
        nulls = null_mmds(self._features, other_features, (self.prompts, self.prompts))
        self.floor = float(np.quantile(nulls, FLOOR))
        """Of the distance."""

    def judge(self, pictures: Pixels) -> SceneScores:
        """Judge pictures.

        Args:
            pictures: (count, height, width, 3), RGB, in the order of the subjects; of another size
                than the true ones they are brought to it first.
        """
        pictures = _sized(pictures, self.true.shape[1])
        seen, features = self._classifier.look(pictures)
        answers = seen == self._wanted
        right = answers.all(axis=1)
        sharper = sharpness(pictures) - self._sharpness
        spread = diversity(pictures, self.prompts)
        by_prompt = [np.flatnonzero(self.prompts == number) for number in range(self.count)]
        accuracies = np.array([right[rows].mean() for rows in by_prompt])
        sharpened = np.array([sharper[rows].mean() for rows in by_prompt])
        figures = {
            "attribute_accuracy": lambda drawn: float(accuracies[drawn].mean()),
            "sharpness": lambda drawn: float(np.exp(sharpened[drawn].mean() / 2)),
            "diversity": lambda drawn: float(spread[drawn].mean() / self._diversity[drawn].mean()),
        }
        every = np.arange(self.count)
        distance = mmd(features, self._features, (self.prompts, self.prompts))
        return SceneScores(
            scores={
                **{name: figure(every) for name, figure in figures.items()},
                "mmd": distance,
                "mmd_floor": self.floor,
            },
            errors={
                **{name: standard_error(figure, self.count) for name, figure in figures.items()},
                "mmd": mmd_error(features, self._features, (self.prompts, self.prompts)),
            },
            accuracy={
                name: float(answers[:, column].mean()) for column, name in enumerate(ATTRIBUTES)
            },
            right=tuple(bool(one) for one in right),
        )


def _sized(pictures: Pixels, side: int) -> Pixels:
    if pictures.shape[1:3] == (side, side):
        return pictures
    images = [Image.fromarray(picture) for picture in pictures]
    return np.stack(
        [np.asarray(one.resize((side, side), Image.Resampling.LANCZOS)) for one in images]
    )


def open_judge(folder: Path) -> SceneClassifier | None:
    """Load the classifier that a bundle or a source carries; None where it has none.

    Raises:
        BundleError: It is damaged.
    """
    return load_classifier(folder / JUDGE) if (folder / JUDGE).is_dir() else None
