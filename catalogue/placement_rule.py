"""By what rule products are placed; apart from what does it, which brings NumPy."""

from dataclasses import dataclass

from core.domain.photograph_spec import Anchor
from core.errors import InvalidRequestError

SCENE_FILL = 0.62
"""What a product takes of a scene: there is something to be seen around it."""
SCENE_GROUND_LINE = 0.86


@dataclass(frozen=True, kw_only=True)
class PlacementRule:
    """How products are placed; every length is a share of the canvas's side along it."""

    width: int
    """Of the canvas, in pixels."""
    height: int
    fill: float = 0.85
    """What the product takes of the canvas, along the side that it fills first."""
    margin: float = 0.03
    """What stays free on every side, whatever `fill` says."""
    anchor: Anchor = Anchor.CENTRE
    ground_line: float = 0.92
    """How far down products stand that are anchored to the ground."""
    enlarge: bool = False
    """Whether a product may get more pixels than its photograph has of it."""

    def __post_init__(self) -> None:
        """Check that a product has room.

        Raises:
            InvalidRequestError: It has none.
        """
        if min(self.width, self.height) < 1 or not 0 < self.fill <= 1:
            raise InvalidRequestError("A canvas needs pixels, and a fill above 0 and up to 1.")
        if not 0 <= self.margin < 0.5 or not self.margin < self.ground_line <= 1:
            raise InvalidRequestError(
                "A margin is from 0 to below 0.5, and the ground line below the upper margin."
            )
