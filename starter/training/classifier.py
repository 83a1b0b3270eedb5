"""Trains the judge of generated images."""

import json
import logging
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional

from modelkit.training.course import Course, decayed
from starter.data.attributes import ATTRIBUTES
from starter.data.classifier import CHANNELS, AttributeClassifier, accuracy
from starter.scenes.classifier import augment
from starter.scenes.pictures import Pictures

logger = logging.getLogger(__name__)

BATCH = 64
PEAK_RATE = 3e-3


def train_classifier(
    sources: list[Pictures], checks: Pictures, folder: Path, *, minutes: float, resume: bool
) -> AttributeClassifier:
    """Train on batches drawn evenly from `sources` (drawn pictures and their reconstructions)."""
    torch.manual_seed(4)
    classifier = AttributeClassifier()
    optimiser = torch.optim.AdamW(classifier.parameters(), PEAK_RATE, weight_decay=1e-2)
    labels = [torch.from_numpy(source.labels()) for source in sources]
    course = Course("classifier", folder / "classifier.pt", minutes=minutes, resume=resume)
    if course.restored:
        classifier.load_state_dict(course.restored["model"])
        optimiser.load_state_dict(course.restored["optimiser"])
    for fraction in course:
        for group in optimiser.param_groups:
            group["lr"] = decayed(fraction, peak=PEAK_RATE, floor=0.01)
        rng = np.random.default_rng(course.step)
        source = int(rng.integers(len(sources)))
        rows = rng.integers(len(sources[source].pixels), size=BATCH)
        logits = classifier(augment(sources[source].batch(rows), rng))
        loss = torch.stack(
            [
                functional.cross_entropy(part, labels[source][rows, column], label_smoothing=0.02)
                for column, part in enumerate(logits.values())
            ]
        ).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        course.record(loss)
    course.save(model=classifier.state_dict(), optimiser=optimiser.state_dict())
    classifier.eval()
    logger.info("classifier done, held-out %s", accuracy(classifier, checks))
    save_classifier(classifier, folder / "classifier")
    return classifier


def save_classifier(classifier: AttributeClassifier, folder: Path) -> None:
    """Write model.safetensors (FP16) and config.json with the names of the classes."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in classifier.state_dict().items()
    }
    save_file(state, folder / "model.safetensors")
    config = {
        "architecture": "AttributeClassifier",
        "channels": list(CHANNELS),
        "labels": {name: [str(value) for value in values] for name, values in ATTRIBUTES.items()},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
