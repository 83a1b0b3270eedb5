"""A small CNN that tells the four attributes of a picture: the judge of generated images."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import nn

from starter.data.attributes import ATTRIBUTES
from starter.scenes.pictures import Pictures

CHANNELS = (24, 48, 96, 128)


class AttributeClassifier(nn.Module):
    """(rows, 3, 128, 128) float32 in [-1, 1] to logits of the four attributes, by name."""

    def __init__(self, attributes: Mapping[str, type[StrEnum]] = ATTRIBUTES) -> None:
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
            {name: nn.Linear(previous * 16, len(values)) for name, values in attributes.items()}
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


def accuracy(classifier: AttributeClassifier, pictures: Pictures) -> dict[str, float]:
    """Measure the share of right answers for each attribute."""
    images = pictures.batch(np.arange(len(pictures.pixels)))
    right = classifier.classify(images) == pictures.labels()
    return {name: float(right[:, column].mean()) for column, name in enumerate(ATTRIBUTES)}


def load_classifier(folder: Path) -> AttributeClassifier:
    """Read what `save_classifier` wrote, in FP32 and ready to judge."""
    classifier = AttributeClassifier()
    classifier.load_state_dict(load_file(folder / "model.safetensors"))
    return classifier.eval()
