"""The network: a small U-Net of depthwise convolutions that looks at the whole photograph."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (16, 32, 64, 112, 160)
"""Channels at a half, a quarter, … a thirty-second of the input's side."""
DEPTHS = (0, 1, 2, 4, 3)
"""Blocks at each of these sizes."""


class SeparableBlock(nn.Module):
    """A wide depthwise convolution and two pointwise ones beside a shortcut (ConvNeXt, 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, 2 * width, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (N, width, H, W) to the same."""
        return values + self.body(values)


class GlobalContext(nn.Module):
    """Adds to every place what the whole photograph is like (squeeze and excitation, 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(width, width // 4, 1), nn.ReLU(inplace=True),
            nn.Conv2d(width // 4, 2 * width, 1),
        )  # fmt: skip

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map (N, width, H, W) to the same."""
        gate, added = self.weigh(values.mean((2, 3), keepdim=True)).chunk(2, dim=1)
        return values * (1 + torch.tanh(gate)) + added


class CutoutNetwork(nn.Module):
    """Finds the product: (N, 3, S, S) in about [-2, 2] to logits, (N, 1, S, S)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _convolution(before, after, stride=2)
            for before, after in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(SeparableBlock(width) for _ in range(depth)))
            for width, depth in zip(WIDTHS, DEPTHS, strict=True)
        )
        self.context = GlobalContext(WIDTHS[-1])
        self.up = nn.ModuleList(
            _convolution(below + width, width, size=1)
            for below, width in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.merge = nn.ModuleList(SeparableBlock(width) for width in WIDTHS[-2::-1])
        self.coarse = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in WIDTHS[-2:0:-1])
        self.spread = nn.Sequential(nn.Conv2d(WIDTHS[0], 32, 1), nn.PixelShuffle(2))
        self.fine = nn.Sequential(_convolution(8 + 3, 12), nn.Conv2d(12, 1, 3, padding=1))

    def forward(self, photograph: torch.Tensor) -> torch.Tensor:
        """Return the finest logits alone."""
        return self.all_logits(photograph)[-1]

    def all_logits(self, photograph: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return logits at a sixteenth, an eighth, a quarter and the whole of the input's side."""
        values, kept = photograph, []
        for down, blocks in zip(self.down, self.blocks, strict=True):
            values = blocks(down(values))
            kept.append(values)
        values = self.context(kept.pop())
        found = []
        for number, (up, merge) in enumerate(zip(self.up, self.merge, strict=True)):
            larger = functional.interpolate(values, scale_factor=2.0, mode="bilinear")
            values = merge(up(torch.cat([larger, kept.pop()], dim=1)))
            if number < len(self.coarse):
                found.append(self.coarse[number](values))
        whole = torch.cat([self.spread(values), photograph], dim=1)
        return [*found, self.fine(whole)]


def _convolution(before: int, after: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def segmentation_loss(found: Sequence[torch.Tensor], alpha: torch.Tensor) -> torch.Tensor:
    """Return the loss of logits at several sizes against alpha, (N, 1, S, S) in [0, 1].

    Cross-entropy for every pixel, twice along the edge, and what is missing to an overlap of one
    (Milletari et al., 2016), which counts small products like large ones.
    """
    total = alpha.new_zeros(())
    for logits in found:
        scale = alpha.shape[-1] // logits.shape[-1]
        wanted = functional.avg_pool2d(alpha, scale) if scale > 1 else alpha
        whole = scale == 1
        weight = 1 + 2 * _near_edges(wanted) if whole else torch.ones_like(wanted)
        entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        share = torch.sigmoid(logits)
        common = (share * wanted).sum((1, 2, 3))
        either = (share + wanted).sum((1, 2, 3)) - common
        overlap = (1 - (common + 1) / (either + 1)).mean()
        total = total + (1.0 if whole else 0.3) * ((entropy * weight).mean() + overlap)
    return total


def _near_edges(alpha: torch.Tensor) -> torch.Tensor:
    most = functional.max_pool2d(alpha, 7, 1, 3)
    return most + functional.max_pool2d(-alpha, 7, 1, 3)
