"""The judge of scenes: tells kind, colour and surroundings; its features compare sets."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from core.errors import BundleError
from starter.scenes.composition import SIZE
from starter.scenes.pictures import Pictures, to_tensor
from starter.scenes.subjects import ATTRIBUTES

ARCHITECTURE = "SceneClassifier"
WIDTHS = (32, 64, 128, 192)
FEATURES = 256
BATCH = 64
"""Pictures that are looked at in one call."""


class Block(nn.Module):
    """Two convolutions around which their input is carried; halves both sides (He et al. 2016)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.carried = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (rows, width, height / 2, width / 2)."""
        return functional.relu(self.way(images) + self.carried(images))


class SceneClassifier(nn.Module):
    """(rows, 3, 128, 128) float32 in [-1, 1] to logits of the attributes, by name."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, WIDTHS[0], 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(inplace=True),
        ]
        for channels, width in zip(WIDTHS, (*WIDTHS[1:], FEATURES), strict=True):
            layers.append(Block(channels, width))
        self.trunk = nn.Sequential(*layers)
        # Each feature has unit variance over true pictures: a distance weighs all of them alike.
        self.scale = nn.BatchNorm1d(FEATURES, affine=False)
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(FEATURES, len(values)) for name, values in ATTRIBUTES.items()}
        )

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the heads see, (rows, FEATURES): the trunk's output, averaged over places."""
        features: torch.Tensor = self.scale(self.trunk(images).mean(dim=(2, 3)))
        return features

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return logits: (rows, number of values) for each attribute."""
        features = self.dropout(self.features(images))
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def look(
        self, pixels: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return class numbers and features of pictures.

        Args:
            pixels: (count, height, width, 3), RGB; other sizes than SIZE are brought to it.

        Returns:
            (count, attributes) in the order of `ATTRIBUTES`, and (count, FEATURES).
        """
        labels, features = [], []
        for start in range(0, len(pixels), BATCH):
            images = to_tensor(pixels[start : start + BATCH])
            if images.shape[-2:] != (SIZE, SIZE):
                images = functional.interpolate(
                    images, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False
                )
            seen = self.features(images)
            labels.append(torch.stack([head(seen).argmax(1) for head in self.heads.values()], 1))
            features.append(seen)
        return torch.cat(labels).numpy(), torch.cat(features).double().numpy()


def augment(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Shift, dim, blur and add noise, so that a generated picture's flaws do not confuse."""
    across, down = (int(shift) for shift in rng.integers(-5, 6, size=2))
    padded = functional.pad(images, (5, 5, 5, 5), mode="replicate")
    images = padded[..., 5 + down : 133 + down, 5 + across : 133 + across]
    images = images * float(rng.uniform(0.93, 1.05)) + float(rng.uniform(-0.05, 0.05))
    if rng.random() < 0.3:
        images = functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    return images + torch.randn_like(images) * float(rng.uniform(0, 0.06))


def accuracy(classifier: SceneClassifier, pictures: Pictures) -> dict[str, float]:
    """Measure the share of right answers for each attribute, and for `all` of them together."""
    right = classifier.look(pictures.pixels)[0] == pictures.labels()
    shares = {name: float(right[:, column].mean()) for column, name in enumerate(ATTRIBUTES)}
    return {**shares, "all": float(right.all(axis=1).mean())}


def save_classifier(classifier: SceneClassifier, folder: Path) -> None:
    """Write model.safetensors (FP16) and config.json with the names of the classes."""
    folder.mkdir(parents=True, exist_ok=True)
    # Training lays weights out with channels last; the file has them in their usual order.
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in classifier.state_dict().items()
    }
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(_config(), indent=2) + "\n", encoding="utf-8")


def load_classifier(folder: Path) -> SceneClassifier:
    """Read what `save_classifier` wrote, in FP32 and ready to judge.

    Raises:
        BundleError: It is damaged, or knows other classes than this version draws.
    """
    try:
        config = json.loads((folder / "config.json").read_bytes())
        if config != _config():
            raise BundleError(
                f"{folder} judges other classes than this version knows: build the bundle again "
                "with `packshot model build`"
            )
        classifier = SceneClassifier()
        classifier.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise BundleError(
            f"{folder} holds no judge that can be read ({error}): build the bundle again with "
            "`packshot model build`"
        ) from error
    return classifier.eval()


def _config() -> dict[str, object]:
    return {
        "architecture": ARCHITECTURE,
        "widths": [*WIDTHS, FEATURES],
        "labels": {name: [str(value) for value in values] for name, values in ATTRIBUTES.items()},
    }
