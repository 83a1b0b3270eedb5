"""A small CNN that tells the four attributes of a picture: the judge of generated images."""

import json
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from bundles.starter.attributes import ATTRIBUTES
from bundles.starter.dataset import Pictures
from bundles.training.course import Course, decayed

logger = logging.getLogger(__name__)

BATCH = 64
PEAK_RATE = 3e-3
CHANNELS = (24, 48, 96, 128)


class AttributeClassifier(nn.Module):
    """(rows, 3, 128, 128) float32 in [-1, 1] to logits of the four attributes, by name."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = 3
        for channels in CHANNELS:
            layers += [
                nn.Conv2d(previous, channels, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=channels // 8),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
            previous = channels
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.dropout = nn.Dropout(0.2)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(previous * 16, len(values)) for name, values in ATTRIBUTES.items()}
        )

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return logits: (rows, number of values) for each attribute."""
        features = self.dropout(self.features(images))
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def classify(self, images: torch.Tensor) -> npt.NDArray[np.int64]:
        """Return the likeliest class numbers, (rows, 4) in the order of `ATTRIBUTES`."""
        columns = [
            torch.stack([logits.argmax(dim=1) for logits in self(part).values()], dim=1)
            for part in images.split(64)
        ]
        return torch.cat(columns).numpy()


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
        logits = classifier(_augment(sources[source].batch(rows), rng))
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


def _augment(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Shift, dim, blur and add noise, so that a generated picture's flaws do not confuse."""
    across, down = (int(shift) for shift in rng.integers(-5, 6, size=2))
    padded = functional.pad(images, (5, 5, 5, 5), mode="replicate")
    images = padded[..., 5 + down : 133 + down, 5 + across : 133 + across]
    images = images * float(rng.uniform(0.93, 1.05)) + float(rng.uniform(-0.05, 0.05))
    if rng.random() < 0.3:
        images = functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    return images + torch.randn_like(images) * float(rng.uniform(0, 0.06))


def accuracy(classifier: AttributeClassifier, pictures: Pictures) -> dict[str, float]:
    """Measure the share of right answers for each attribute."""
    images = pictures.batch(np.arange(len(pictures.pixels)))
    right = classifier.classify(images) == pictures.labels()
    return {name: float(right[:, column].mean()) for column, name in enumerate(ATTRIBUTES)}


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


def load_classifier(folder: Path) -> AttributeClassifier:
    """Read what `save_classifier` wrote, in FP32 and ready to judge."""
    classifier = AttributeClassifier()
    classifier.load_state_dict(load_file(folder / "model.safetensors"))
    return classifier.eval()
