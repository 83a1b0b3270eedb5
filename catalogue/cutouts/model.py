"""What a cut-out is: the product's own pixels, and how sure it is that they are all of it."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
"""(height, width, 3), sRGB."""
Rgba = npt.NDArray[np.uint8]
"""(height, width, 4), sRGB, alpha not premultiplied."""
Alpha = npt.NDArray[np.uint8]
"""(height, width): 0 is background, 255 is product."""
Light = npt.NDArray[np.uint8]
"""(height, width): the light that is left in a shadow, 255 where there is none."""
Mask = npt.NDArray[np.bool_]
"""(height, width)."""

REVIEW_BELOW = 0.5
"""Confidence below which a person should look before anything is published."""


class Method(StrEnum):
    """How a product was told from its background."""

    MASK = "mask"
    """By a mask that came with the photograph."""
    ALPHA = "alpha"
    """By the photograph's own transparency."""
    BACKDROP = "backdrop"
    """By what differs from a plain backdrop."""
    NETWORK = "network"
    """By a segmentation network."""


class Reason(StrEnum):
    """Why a cut-out may be wrong."""

    NOTHING_FOUND = "nothing_found"
    """No pixel differs from the background."""
    TOUCHES_FRAME = "touches_frame"
    """The product reaches the photograph's edge: a part of it may be missing."""
    SEVERAL_PARTS = "several_parts"
    """There are several large parts: a pair, a set, or something that does not belong to it."""
    HOLES = "holes"
    """The backdrop shows through it, or it has places that look exactly like the backdrop."""
    FAINT_EDGE = "faint_edge"
    """A part of its outline can hardly be told from the backdrop."""
    NETWORK_DISAGREES = "network_disagrees"
    """The segmentation network finds another product before the plain backdrop."""
    NETWORK_UNSURE = "network_unsure"
    """The segmentation network cannot tell for a part of it."""
    BACKDROP_NOT_PLAIN = "backdrop_not_plain"
    """It stands in a room, or on a backdrop with a pattern, and no network looked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cutout:
    """A product without its background, in its photograph's frame."""

    pixels: Rgba
    """The photograph's own where alpha is 255; along the edge, colours without the backdrop's."""
    method: Method
    confidence: float
    """From 0, certainly wrong, to 1."""
    reasons: tuple[Reason, ...] = ()
    """Why it is not 1, what costs most first."""
    shadow: Light | None = None
    """The product's own shadow on its backdrop; None: it is not known."""

    @property
    def needs_review(self) -> bool:
        """Whether a person should look at it."""
        return self.confidence < REVIEW_BELOW
