"""Where a product stands on its canvas, and how large: by rule, so that all look like one shop."""

from dataclasses import dataclass

import numpy as np

from catalogue.cutouts.model import Alpha
from catalogue.placement_rule import PlacementRule
from core.domain.photograph_spec import Anchor
from core.errors import InvalidRequestError

__all__ = ["Anchor", "NothingToPlaceError", "PlacementRule", "Spot", "place"]

VISIBLE = 8
"""Alpha, of 255, from which on a pixel counts for the product's box."""


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Where one product goes."""

    source: tuple[int, int, int, int]
    """Its box in the photograph: left, top, right, bottom, in pixels."""
    left: int
    """Of its box on the canvas."""
    top: int
    size: tuple[int, int]
    """Width and height of its box on the canvas."""
    notes: tuple[str, ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Return its box on the canvas: left, top, right, bottom, in pixels."""
        return self.left, self.top, self.left + self.size[0], self.top + self.size[1]

    @property
    def resampled(self) -> bool:
        """Whether it has another size than in its photograph."""
        left, top, right, bottom = self.source
        return self.size != (right - left, bottom - top)

    @property
    def scale(self) -> float:
        """Return how many of the canvas's pixels one of the photograph's becomes."""
        return max(self.size) / max(
            self.source[2] - self.source[0], self.source[3] - self.source[1]
        )


class NothingToPlaceError(InvalidRequestError):
    """The cut-out is empty. Look at the photograph, or send a mask."""

    code = "nothing_to_place"


def place(alpha: Alpha, rule: PlacementRule) -> Spot:
    """Find where a product goes.

    Raises:
        NothingToPlaceError: There is none.
    """
    source = _box(alpha)
    wide, tall = source[2] - source[0], source[3] - source[1]
    room_across = min(rule.fill, 1 - 2 * rule.margin) * rule.width
    lowest = 1 - rule.margin if rule.anchor is Anchor.CENTRE else rule.ground_line
    room_down = min(rule.fill, lowest - rule.margin) * rule.height
    wanted = min(room_across / wide, room_down / tall)
    scale, notes = _allowed(wanted, enlarge=rule.enlarge)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    left = round((rule.width - size[0]) / 2)
    if rule.anchor is Anchor.CENTRE:
        top = round((rule.height - size[1]) / 2)
    else:
        top = round(rule.ground_line * rule.height) - size[1]
    return Spot(source=source, left=left, top=max(0, top), size=size, notes=notes)


def _box(alpha: Alpha) -> tuple[int, int, int, int]:
    there = alpha >= VISIBLE
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    if not rows.size:
        raise NothingToPlaceError
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _allowed(scale: float, *, enlarge: bool) -> tuple[float, tuple[str, ...]]:
    """Limit a scale to the product's own pixels, or say that it is beyond them."""
    if scale <= 1:
        return scale, ()
    if enlarge:
        return scale, (
            f"The product is enlarged to {scale:.0%} of its photograph's pixels: a larger "
            "photograph would be sharper.",
        )
    return 1.0, (
        f"The product is smaller than wanted: its photograph has {1 / scale:.0%} of the pixels. "
        "Send a larger photograph, or allow it to be enlarged.",
    )
