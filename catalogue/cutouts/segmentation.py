"""The slot for a segmentation network: what it is asked, and how usual ones take their input."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from catalogue.cutouts.model import Alpha, Rgb

Input = npt.NDArray[np.float32]
"""(1, 3, height, width)."""


class Segmenter(Protocol):
    """Finds the product in any photograph; whoever implements it runs the model."""

    def segment(self, pixels: Rgb) -> Alpha:
        """Return 255 where the product is, at the photograph's size."""
        ...


@dataclass(frozen=True, kw_only=True)
class NetworkLayout:
    """How a family of networks takes its input and gives its output."""

    side: int
    """Pixels of its square input."""
    mean: tuple[float, float, float]
    """Taken off, of RGB in [0, 1]."""
    std: tuple[float, float, float]
    """Divided by."""
    by_brightest: bool = False
    """Whether levels are divided by the photograph's brightest one instead of 255."""
    logits: bool = False
    """Whether the output still wants a sigmoid."""
    spread: bool = False
    """Whether the output's own smallest and largest value count as 0 and 1."""
    mirrored: bool = False
    """Whether the mirrored photograph is looked at, too, and both outputs are averaged."""

    def prepare(self, pixels: Rgb) -> Input:
        """Make a photograph the network's input."""
        square = Image.fromarray(pixels).resize((self.side, self.side), Image.Resampling.BILINEAR)
        levels = np.asarray(square, np.float32)
        levels = levels / max(1.0, float(levels.max()) if self.by_brightest else 255.0)
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        normal = (levels - mean) / std
        return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])

    def finish(self, output: npt.NDArray[np.float32], size: tuple[int, int]) -> Alpha:
        """Make the network's output a mask.

        Args:
            output: Its first output; (…, height, width), all other sides 1.
            size: Width and height of the photograph.
        """
        share = np.asarray(output.reshape(output.shape[-2:]), np.float32)
        if self.logits:
            share = np.asarray(1 / (1 + np.exp(-share)), np.float32)
        if self.spread:
            low, high = float(share.min()), float(share.max())
            share = (share - low) / max(high - low, 1e-6)
        levels = Image.fromarray(np.asarray(np.clip(share, 0, 1) * 255 + 0.5, np.uint8))
        return np.asarray(levels.resize(size, Image.Resampling.BILINEAR))


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet."""

LAYOUTS = {
    "packshot": NetworkLayout(side=192, mean=_MEAN, std=_STD, mirrored=True),
    "u2net": NetworkLayout(side=320, mean=_MEAN, std=_STD, by_brightest=True, spread=True),
    "isnet": NetworkLayout(side=1024, mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0), spread=True),
    "birefnet": NetworkLayout(side=1024, mean=_MEAN, std=_STD, logits=True),
}
"""By the name of the family: packshot's own, U²-Net (Qin et al., 2020), IS-Net (Qin et al., 2022),
BiRefNet (Zheng et al., 2024), as their authors' own programs prepare their input. A network whose
file has another size of input is used with that one."""
