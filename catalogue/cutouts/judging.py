"""How sure a cut-out is, by what it looks like."""

import numpy as np
from PIL import Image

from catalogue.cutouts.model import Alpha, Mask, Reason
from catalogue.renditions.regions import components

LOOK = 256
"""Longer side, in pixels, at which a mask is judged."""
FEW = 0.001
"""Share of the photograph below which what was found is no product."""
LARGE = 0.05
"""Share of the largest part from which on another part counts."""
FRAME = 0.01
"""Share of the frame that a product touches at least where it is cut."""
HOLES = 0.005
"""Share of a product's area from which on its holes count."""
FAINT = 0.05
"""Share of its outline from which on what can hardly be told counts."""
SOFT = 0.35
"""Share of half-transparent pixels from which on a mask is unsure rather than soft."""
AGREED, DOUBTED = 0.9, 0.7
"""Overlap with what a network sees from which on it counts as the same, and below which a person
should look, whatever else there is."""
UNSURE, UNABLE = 0.01, 0.045
"""Share of a product from which on what its network cannot tell counts, and from which on a person
should look, whatever else there is."""


def judge(
    product: Mask,
    *,
    holes: float = 0.0,
    faint: float = 0.0,
    soft: float = 0.0,
    agreement: float = 1.0,
    unsure: float = 0.0,
) -> tuple[float, tuple[Reason, ...]]:
    """Return a confidence and its reasons, what costs most first.

    Args:
        product: What was found.
        holes: Share of its area in which the backdrop was seen through it.
        faint: Share of its outline that can hardly be told from the backdrop.
        soft: Share of it that is neither product nor background.
        agreement: Overlap with what somebody else found.
        unsure: Share of it in which its network cannot tell.
    """
    small = _reduced(product)
    if small.mean() < FEW:
        return 0.0, (Reason.NOTHING_FOUND,)
    factors = {
        Reason.TOUCHES_FRAME: _at_the_frame(small),
        Reason.FAINT_EDGE: min(_faintness(faint), _vagueness(soft)),
        Reason.SEVERAL_PARTS: _parts(small),
        Reason.HOLES: 0.9 if holes >= HOLES else 1.0,
        Reason.NETWORK_DISAGREES: _agreed(agreement),
        Reason.NETWORK_UNSURE: _certainty(unsure),
    }
    counted = sorted((factor, reason) for reason, factor in factors.items() if factor < 1)
    return float(np.prod([factor for factor, _ in counted])), tuple(one for _, one in counted)


def agreement(product: Mask, seen: Alpha) -> float:
    """Return the overlap of what was found with what a network sees, at the size of `LOOK`."""
    first, second = _reduced(product), _reduced(seen >= 128)
    if first.shape != second.shape:
        size = (first.shape[1], first.shape[0])
        second = np.asarray(Image.fromarray(second).resize(size))
    either = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / either) if either else 1.0


def _reduced(product: Mask) -> Mask:
    height, width = product.shape
    factor = min(1.0, LOOK / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    levels = Image.fromarray(product.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    return np.asarray(levels) >= 128


def _at_the_frame(product: Mask) -> float:
    sides = np.concatenate([product[0], product[-1], product[:, 0], product[:, -1]])
    return 0.45 if sides.mean() >= FRAME else 1.0


def _faintness(faint: float) -> float:
    return 1.0 if faint < FAINT else max(0.1, 1 - 2.5 * faint)


def _vagueness(soft: float) -> float:
    return 1.0 if soft < SOFT else max(0.1, 1.2 - soft)


def _agreed(agreement: float) -> float:
    if agreement >= DOUBTED:
        return min(1.0, 1 - 0.5 * (AGREED - agreement) / (AGREED - DOUBTED))
    return max(0.1, 0.5 * agreement / DOUBTED)


def _certainty(unsure: float) -> float:
    if unsure <= UNABLE:
        return min(1.0, 1 - 0.5 * (unsure - UNSURE) / (UNABLE - UNSURE))
    return max(0.1, 0.5 * UNABLE / unsure)


def _parts(product: Mask) -> float:
    sizes = components(product).sizes()[1:]
    count = np.count_nonzero(sizes >= LARGE * sizes.max())
    return max(0.4, 1 - 0.1 * (count - 1))
