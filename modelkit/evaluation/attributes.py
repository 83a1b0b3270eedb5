"""How often pictures of the starter's family have the attributes that their prompts ask for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from starter import SOURCE
from starter.data.attributes import ATTRIBUTES, Product
from starter.data.classifier import AttributeClassifier, load_classifier
from starter.data.dataset import to_tensor


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
