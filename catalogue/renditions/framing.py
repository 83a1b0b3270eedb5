"""Which part of an image a rendition shows, and where in it."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from catalogue.channels import ChannelRules
from catalogue.renditions.backdrop import Mask
from catalogue.renditions.scene import Box, Pixels

WHITE = 255


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A rectangle in the picture's pixels, which may reach beyond it."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Framing:
    """A frame, and the size that it gets."""

    frame: Frame
    size: tuple[int, int]
    """Width and height, in pixels."""

    @property
    def scale(self) -> float:
        """Return how many of its pixels one of the picture's becomes."""
        return self.size[0] / self.frame.width

    def shrunk(self, factor: float) -> "Framing":
        """Return the same frame with smaller sides."""
        width, height = (max(1, math.floor(side * factor)) for side in self.size)
        return Framing(frame=self.frame, size=(width, height))


def choose(
    width: int,
    height: int,
    box: Box | None,
    preset: ChannelRules,
    shown: Box | None = None,
    *,
    within: bool = False,
) -> Framing:
    """Choose what a channel is shown of a picture, and how large.

    Args:
        width: The picture's, in pixels.
        height: The picture's, in pixels.
        box: Around the product; None: the frame stays as the model chose it.
        preset: What the channel wants.
        shown: Around the product and its shadow, which is not cut: the product is smaller then.
        within: Whether the frame stays within the picture if the product then is whole: what is
            beyond a scene's edge nobody knows. The product is beside the middle then, or larger.
    """
    if not preset.square:
        longest, shortest = max(width, height), min(width, height)
        scale = max(min(1.0, preset.largest / longest), preset.smallest / shortest)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return Framing(frame=Frame(left=0, top=0, width=width, height=height), size=size)
    side: float = max(width, height)
    across, down = width / 2, height / 2
    if box is not None and preset.fill is not None:
        side = box.longest / preset.fill
        across, down = (box.left + box.right) / 2, (box.top + box.bottom) / 2
        side = max(side, 2 * _farthest(shown or box, across, down))
        if within and box.longest <= min(width, height):
            side = min(side, width, height)
            across = min(max(across, side / 2), width - side / 2)
            down = min(max(down, side / 2), height - side / 2)
    frame = Frame(left=across - side / 2, top=down - side / 2, width=side, height=side)
    pixels = min(max(round(side), preset.smallest), preset.largest)
    return Framing(frame=frame, size=(pixels, pixels))


def _farthest(box: Box, across: float, down: float) -> float:
    """Measure how far a box reaches from a point, sideways, up or down."""
    return max(across - box.left, box.right - across, down - box.top, box.bottom - down)


def cut(pixels: Pixels, framing: Framing, *, white: bool) -> Image.Image:
    """Show what is in the frame, at its size; beyond the picture white, or what its edge is."""
    padded = _padded(pixels, framing.frame, white=white)
    return _shown(padded, framing, Image.Resampling.LANCZOS)


def cut_mask(mask: Mask, framing: Framing) -> Image.Image:
    """Show a mask in the same frame: mode L, 255 where it holds, and beyond the picture."""
    levels = mask.astype(np.uint8) * np.uint8(WHITE)
    return _shown(_padded(levels, framing.frame, white=True), framing, Image.Resampling.BILINEAR)


def _padded(pixels: Pixels, frame: Frame, *, white: bool) -> tuple[Pixels, int, int]:
    """Add what the frame wants beyond the picture; give also how much at the left and the top."""
    height, width = pixels.shape[:2]
    left, top = _beyond(-frame.left), _beyond(-frame.top)
    right = _beyond(frame.left + frame.width - width)
    bottom = _beyond(frame.top + frame.height - height)
    sides = [(top, bottom), (left, right)] + [(0, 0)] * (pixels.ndim - 2)
    if white:
        return np.pad(pixels, sides, constant_values=WHITE), left, top
    return np.pad(pixels, sides, mode="edge"), left, top


def _beyond(distance: float) -> int:
    return max(0, math.ceil(distance))


def _shown(
    padded: tuple[Pixels, int, int], framing: Framing, resampling: Image.Resampling
) -> Image.Image:
    pixels, left, top = padded
    frame = framing.frame
    x, y = frame.left + left, frame.top + top
    right = min(x + frame.width, pixels.shape[1])
    bottom = min(y + frame.height, pixels.shape[0])
    box = (max(0.0, x), max(0.0, y), right, bottom)
    return Image.fromarray(pixels).resize(framing.size, resampling, box=box)
