"""A backdrop as a smooth surface, fitted to what a picture shows of it along its frame."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float32]
"""(height, width, 3) or (height, width), in levels of 255."""
Mask = npt.NDArray[np.bool_]
"""(height, width)."""

RING = 0.02
"""Share of the shorter side that is looked at along the frame."""
MOST_SAMPLES = 4000
ROUNDS = 8
"""Of reweighting: what is far from the surface, such as a product that is cut, counts less."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Backdrop:
    """A fitted surface."""

    levels: Levels
    """What each pixel would be without a product: (height, width, 3)."""
    unevenness: float
    """Levels by which nine of ten pixels along the frame differ from it at most."""


def fit(pixels: Levels, among: Mask | None = None) -> Backdrop:
    """Fit a backdrop.

    Args:
        pixels: (height, width, 3), in levels.
        among: Pixels that are taken for background; None: those along the frame, of which a
            third may be something else.
    """
    height, width = pixels.shape[:2]
    ring = _ring(height, width)
    rows, columns = np.nonzero(ring if among is None else among | ring)
    step = max(1, rows.size // MOST_SAMPLES)
    rows, columns = rows[::step], columns[::step]
    known = pixels[rows, columns].astype(np.float64)
    terms = _terms(rows / height * 2 - 1, columns / width * 2 - 1)
    weights = np.ones(rows.size)
    for _ in range(ROUNDS):
        weighted = terms * weights[:, None]
        # Pictures of a pixel or two leave some terms undecided.
        factors = np.linalg.lstsq(weighted.T @ terms, weighted.T @ known, rcond=None)[0]
        distances = np.abs(known - terms @ factors).max(axis=1)
        # Least absolute deviations; a level is less than what a picture can show.
        weights = 1 / np.maximum(distances, 1)
    levels = _surface(factors, height, width)
    edges = np.abs(pixels[ring] - levels[ring]).max(axis=1)
    return Backdrop(levels=levels, unevenness=float(np.quantile(edges, 0.9)))


def _ring(height: int, width: int) -> Mask:
    margin = max(2, round(RING * min(height, width)))
    ring = np.ones((height, width), np.bool_)
    ring[margin:-margin, margin:-margin] = False
    return ring


def _terms(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _surface(factors: npt.NDArray[np.floating], height: int, width: int) -> Levels:
    y = (np.arange(height) / height * 2 - 1)[:, None, None]
    x = (np.arange(width) / width * 2 - 1)[None, :, None]
    one, along, down, along2, both, down2 = factors
    # Of products of rows and columns, so that nothing of (pixels, terms) is ever in memory.
    surface = one + along * x + down * y + along2 * x * x + both * x * y + down2 * y * y
    return np.asarray(np.clip(surface, 0, 255), np.float32)
