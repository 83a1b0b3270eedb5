"""Masks as regions: widened, flooded, taken apart, in NumPy alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
"""(height, width)."""
Labels = npt.NDArray[np.int32]


def dilated(mask: Mask, radius: int) -> Mask:
    """Add what is within a disc around each pixel of a mask; outside of the frame there is none."""
    height, width = mask.shape
    counts = np.zeros((height, width + 2 * radius + 1), np.int32)
    np.cumsum(np.pad(mask, ((0, 0), (radius, radius))), axis=1, out=counts[:, 1:])
    found = np.zeros_like(mask)
    for down in range(radius + 1):
        half = int((radius**2 - down**2 + radius) ** 0.5)
        left, right = radius - half, radius + half + 1
        near = counts[:, right : right + width] > counts[:, left : left + width]
        found[down:] |= near[: height - down]
        found[: height - down] |= near[down:]
    return found


def eroded(mask: Mask, radius: int) -> Mask:
    """Keep pixels around which all of a disc matches; outside of the frame everything does."""
    return ~dilated(~mask, radius)


def flooded(free: Mask, start: Mask | None = None) -> Mask:
    """Fill sideways and up and down through what is free.

    Args:
        free: Where the flood may go.
        start: Where it begins; None: everywhere along the frame.
    """
    reached = free & (_frame(free.shape) if start is None else start)
    across, down = _runs(free), _runs(free.T)
    filled = -1
    while (now := int(np.count_nonzero(reached))) != filled:
        filled = now
        reached = _along(reached, free, across)
        reached = _along(reached.T, free.T, down).T
    return reached


def _frame(shape: tuple[int, ...]) -> Mask:
    frame = np.ones(shape, np.bool_)
    frame[1:-1, 1:-1] = False
    return frame


def _runs(free: Mask) -> Labels:
    """Return a number for each run of free pixels in a row, no two rows the same."""
    height, width = free.shape
    walls = np.cumsum(~free, axis=1, dtype=np.int32)
    return np.asarray(walls + (np.arange(height, dtype=np.int32) * (width + 1))[:, None])


def _along(reached: Mask, free: Mask, runs: Labels) -> Mask:
    """Fill every run of a row that is reached anywhere."""
    touched = np.zeros(runs.shape[0] * (runs.shape[1] + 1), np.bool_)
    touched[runs[reached]] = True
    filled: Mask = touched[runs] & free
    return filled


def surrounded(mask: Mask) -> Mask:
    """Match pixels that have a mask's on all four sides."""
    sides = [
        np.logical_or.accumulate(mask, axis=0),
        np.logical_or.accumulate(mask[::-1], axis=0)[::-1],
        np.logical_or.accumulate(mask, axis=1),
        np.logical_or.accumulate(mask[:, ::-1], axis=1)[:, ::-1],
    ]
    found: Mask = np.logical_and.reduce(sides)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Components:
    """Parts of a mask that hang together, sideways and up and down."""

    labels: Labels
    """(height, width): 0 outside of the mask, else the part's number, from 1."""
    count: int

    def sizes(self) -> npt.NDArray[np.int64]:
        """Return pixels by number; 0 is what is outside."""
        return np.bincount(self.labels.ravel(), minlength=self.count + 1)

    def highest(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the highest value in each, by number."""
        found = np.zeros(self.count + 1, np.float32)
        np.maximum.at(found, self.labels.ravel(), values.ravel())
        return found

    def among(self, chosen: npt.NDArray[np.bool_]) -> Mask:
        """Return the pixels of those that are chosen, by number."""
        found: Mask = chosen[self.labels]
        return found


def components(mask: Mask) -> Components:
    """Take a mask apart: runs of its rows are joined with those that they touch in the next."""
    padded = np.pad(mask, ((0, 0), (1, 1)))
    edges = np.diff(padded.astype(np.int8), axis=1)
    rows, begins = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    upper, lower = _touching(rows, begins, ends, mask.shape[1])
    roots = np.arange(rows.size)
    while True:
        smallest = np.minimum(roots[upper], roots[lower])
        before = roots.copy()
        np.minimum.at(roots, upper, smallest)
        np.minimum.at(roots, lower, smallest)
        # The root's own root, too: a long part is joined in a few rounds.
        np.minimum.at(roots, before, roots)
        roots = roots[roots]
        if np.array_equal(before, roots):
            break
    _, numbers = np.unique(roots, return_inverse=True)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(numbers + 1, ends - begins)
    return Components(labels=labels, count=int(numbers.max(initial=-1)) + 1)


def _touching(
    rows: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    width: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pair each run with those of the next row that it touches."""
    # Runs are in order, so those of the next row that touch one are in a row, too.
    stride = width + 1
    first = np.searchsorted(rows * stride + ends, (rows + 1) * stride + begins, side="right")
    last = np.searchsorted(rows * stride + begins, (rows + 1) * stride + ends, side="left")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(rows.size), counts)
    starts = np.repeat(first - (np.cumsum(counts) - counts), counts)
    return upper, np.arange(counts.sum()) + starts


def blurred(values: npt.NDArray[np.float32], radius: int) -> npt.NDArray[np.float32]:
    """Average over a square around each pixel; beyond the frame its edge goes on."""
    side = 2 * radius + 1
    for axis in (0, 1):
        pads = [(0, 0)] * values.ndim
        pads[axis] = (radius + 1, radius)
        sums = np.pad(values, pads, mode="edge").cumsum(axis=axis, dtype=np.float64)
        before = (slice(None),) * axis
        totals = sums[*before, side:] - sums[*before, :-side]
        values = np.asarray(totals / side, np.float32)
    return values
