"""What products were told by until decision 0028, kept to be compared with: whiteness.

The small models' white backgrounds come out *near* white, with a soft noise; channels want exactly
255. What is near the background's colour is only background where it hangs together with the
frame's edge, so a white product keeps its own white: its rim is darker, and nothing flows across.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""(height, width, 3), RGB."""
Mask = npt.NDArray[np.bool_]
"""(height, width)."""

WHITEST, NEAREST = 24, 24
"""Levels, of 255, by which a background may differ from white, or from its row's edges."""
MARGIN = 3
"""Levels beyond what the frame's edge shows."""
WAY = 0.09
"""Share of the shorter side that a way into the picture is wide at least."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where the product is, in pixels; right and bottom are the first beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def longest(self) -> int:
        """Return the longer side."""
        return max(self.right - self.left, self.bottom - self.top)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What a picture shows."""

    ground: Mask
    """Where the background is."""
    white: bool
    """Whether the background is white, or meant to be."""
    box: Box | None
    """Around the product; None: it cannot be told from the background, or the frame cuts it."""


def look(pixels: Pixels) -> Scene:
    """Find background and product.

    Args:
        pixels: (height, width, 3), RGB.
    """
    off_white = 255 - pixels.min(axis=2)
    edge = _edge(off_white)
    white = bool(np.mean(edge <= WHITEST) >= 0.9)
    if white:
        usual = min(WHITEST, int(edge[edge <= WHITEST].max()) + MARGIN)
        # Backgrounds are most uneven in their corners, where no product is.
        near = off_white <= np.where(_near_frame(off_white.shape), WHITEST, usual)
    else:
        near = _near_row_edges(pixels)
    ground = _hanging_together(near)
    return Scene(ground=ground, white=white, box=_box(~ground))


def _edge(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the two outermost pixels of each side, as one row."""
    sides = (values[:2], values[-2:], values[:, :2], values[:, -2:])
    return np.concatenate([side.ravel() for side in sides])


def _near_row_edges(pixels: Pixels) -> Mask:
    """Match pixels that are what their row begins and ends with.

    Studio backgrounds and table tops change from top to bottom more than from side to side.
    """
    width = pixels.shape[1]
    left = pixels[:, :2].mean(axis=1, dtype=np.float32)[:, None]
    right = pixels[:, -2:].mean(axis=1, dtype=np.float32)[:, None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    expected = left + (right - left) * across
    return np.asarray(np.abs(pixels - expected).max(axis=2) <= NEAREST)


def _hanging_together(near: Mask) -> Mask:
    """Keep what is reached from beyond the frame, by ways that are wide enough.

    A white stripe that ends at a product's edge is no way in, and what is left of a background in
    a narrow corner is better than a hole in a product.
    """
    radius = _way(near.shape)
    around = np.pad(near, radius + 1, constant_values=True)
    reached = _flooded(_eroded(around, radius))
    inside = slice(radius + 1, -radius - 1)
    ground: Mask = ~_eroded(~reached, radius)[inside, inside] & near
    return ground


def _way(shape: tuple[int, ...]) -> int:
    """Return half the width of the narrowest way, in pixels."""
    return max(1, round(WAY / 2 * min(shape)))


def _near_frame(shape: tuple[int, ...]) -> Mask:
    """Match what is about as near to the frame as a way is wide."""
    margin = 2 * _way(shape)
    near = np.ones(shape, np.bool_)
    near[margin:-margin, margin:-margin] = False
    return near


def _eroded(mask: Mask, radius: int) -> Mask:
    """Keep pixels around which all of a square matches; outside of the frame everything does."""
    side = 2 * radius + 1
    others = np.pad(~mask, radius).cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    total = np.pad(others, ((1, 0), (1, 0)))
    within = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    return np.asarray(within + total[:-side, :-side] == 0)


def _flooded(free: Mask) -> Mask:
    """Fill from the frame's edge, sideways and up and down, through what is free."""
    reached = np.zeros_like(free)
    for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        reached[side] = free[side]
    across, down = _runs(free), _runs(free.T)
    filled = -1
    while (now := int(reached.sum())) != filled:
        filled = now
        reached = _along(reached, free, across)
        reached = _along(reached.T, free.T, down).T
    return reached


def _runs(free: Mask) -> npt.NDArray[np.int32]:
    """Give each run of free pixels in a row a number, no two rows the same."""
    height, width = free.shape
    walls = np.cumsum(~free, axis=1, dtype=np.int32)
    return np.asarray(walls + (np.arange(height, dtype=np.int32) * (width + 1))[:, None])


def _along(reached: Mask, free: Mask, runs: npt.NDArray[np.int32]) -> Mask:
    """Fill every run of a row that is reached anywhere."""
    touched = np.zeros(runs.shape[0] * (runs.shape[1] + 1), np.bool_)
    touched[runs[reached]] = True
    filled: Mask = touched[runs] & free
    return filled


def _box(product: Mask) -> Box | None:
    """Find what holds the product; specks of a pixel or two are none."""
    height, width = product.shape
    whole = _eroded(product, 1)
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    if not rows.size:
        return None
    # What is eroded lacks a pixel on each side.
    left, right = int(columns[0]) - 1, int(columns[-1]) + 2
    top, bottom = int(rows[0]) - 1, int(rows[-1]) + 2
    if left <= 0 or top <= 0 or right >= width or bottom >= height:
        return None
    return Box(left=left, top=top, right=right, bottom=bottom)
