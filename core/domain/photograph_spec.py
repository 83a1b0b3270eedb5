"""What becomes of a photograph: whose product is shown, where on its canvas, and on what."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class ImageMode(StrEnum):
    """What an image is made of."""

    TEXT = "text"
    """A model draws it from its prompt."""
    CUTOUT = "cutout"
    """A photograph's product, its own pixels, without its background."""
    SCENE = "scene"
    """A photograph's product, its own pixels, in a background that a model draws without it."""
    EDIT = "edit"
    """A photograph that a model draws anew by a prompt, all of it or what a mask shows."""


PROMPTED = frozenset({ImageMode.SCENE, ImageMode.EDIT})
"""Modes of images that take both, a photograph and a model that draws by a prompt."""


class Anchor(StrEnum):
    """What of the product is at the same place on every canvas."""

    CENTRE = "centre"
    """The middle of its box, in the middle of the canvas."""
    GROUND = "ground"
    """The lower edge of its box, on the ground line."""


class Shadow(StrEnum):
    """What a product stands on its canvas with."""

    NONE = "none"
    CONTACT = "contact"
    """A soft one beneath it, made from its outline."""
    OWN = "own"
    """The photograph's, where it was seen on a plain backdrop."""


CUTOUT_REVISION = "cutout-2"
"""Stands for a model's revision where none is needed: in the rows of cut-outs, and in what workers
serve. Raise it when the same photograph comes out otherwise: older images then answer no more."""

CUTOUT_REVISIONS = frozenset({"cutout-1", CUTOUT_REVISION})
"""What workers serve: rows that wait since before an update are made as others are now."""

CUTOUT_NAME = "cutout"
"""What such rows have in the place of their model's name."""

_DIGEST = re.compile("[0-9a-f]{64}")

WHITE = "#ffffff"
TRANSPARENT = "transparent"


@dataclass(frozen=True, kw_only=True)
class PhotographSpec:
    """A photograph, and how its product is shown; every share is of the canvas's side along it."""

    source: str
    """The SHA-256 of its bytes, in hex, or the address that it is fetched from."""
    background: str = WHITE
    """`#rrggbb`, or `transparent`."""
    shadow: Shadow = Shadow.NONE
    anchor: Anchor = Anchor.CENTRE
    fill: float = 0.85
    """What the product takes of the canvas, along the side that it fills first."""
    margin: float = 0.03
    """What stays free on every side."""
    ground_line: float = 0.92
    """How far down products stand that are anchored to the ground; unused by others."""
    enlarge: bool = False
    """Whether the product may get more pixels than its photograph has of it."""
    mask: str | None = None
    """What shows where the product is, as `source` says it; None: that is found out. Of an edit,
    what shows where a model may draw; None: everywhere."""
    strength: float = 0.0
    """Of an edit, the share of the schedule that is run over the photograph, up to 1; of a blend
    over the background, around the product."""
    blend: bool = False
    """Of a scene, whether the model draws once more, around the product."""
    drawn_width: int = 0
    """Pixels of the background that a model draws, before it is brought to the canvas; 0: none."""
    drawn_height: int = 0
    """The same."""

    @property
    def is_masked(self) -> bool:
        """Return whether a mask says where a model may draw over a picture."""
        return self.blend or (self.strength > 0 and self.mask is not None)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Build it from what `document` returned."""
        shadow, anchor = Shadow(document["shadow"]), Anchor(document["anchor"])
        return cls(**{**document, "shadow": shadow, "anchor": anchor})

    def document(self) -> dict[str, Any]:
        """Return the fields and their values, as JSON has them."""
        return asdict(self) | {"shadow": self.shadow.value, "anchor": self.anchor.value}

    def canonical(self) -> dict[str, Any]:
        """Return what decides the image: the ground line only where products stand on it.

        Where a model draws the background no colour of one counts, and where it draws around the
        product no shadow. An edit has no placement.
        """
        seen = self.document()
        if self.strength and not self.blend:
            edited = ("source", "strength", "mask") if self.mask else ("source", "strength")
            return {name: seen[name] for name in edited}
        for name in ("shadow",) if self.blend else ("strength", "blend"):
            del seen[name]
        if self.drawn_width:
            del seen["background"]
        else:
            del seen["drawn_width"], seen["drawn_height"]
        if self.anchor is not Anchor.GROUND:
            del seen["ground_line"]
        if self.mask is None:
            del seen["mask"]
        return seen


def is_digest(source: str) -> bool:
    """Check whether a photograph is named by the SHA-256 of its bytes."""
    return _DIGEST.fullmatch(source) is not None


def is_address(source: str) -> bool:
    """Check whether a photograph has to be fetched, before anything is known of it."""
    return "//" in source
