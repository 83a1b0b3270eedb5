"""A pen that draws a product's parts as masks, in coordinates of the unit square."""

from dataclasses import dataclass
from enum import StrEnum

from PIL import Image, ImageDraw

SIZE = 128
"""Side of a finished picture in pixels."""

OVERSAMPLING = 4
"""Masks are drawn this many times larger and averaged down, which smooths their edges."""

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Finish(StrEnum):
    """How a part is painted."""

    BODY = "body"
    """The product's colour, with its pattern."""
    PLAIN = "plain"
    """The product's colour without a pattern: handles, lids, sleeves."""
    DEEP = "deep"
    """The product's colour, much darker: openings, seams, straps."""
    LIGHT = "light"
    """Off-white: soles, dials, bulbs."""
    DARK = "dark"
    """Charcoal: hands, laces, clasps."""
    METAL = "metal"
    """Warm grey: stands, buckles, crowns."""


@dataclass(frozen=True, slots=True)
class Part:
    """One painted area: `mask` is an "L" image of (SIZE * OVERSAMPLING) squared."""

    mask: Image.Image
    finish: Finish


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """How a product's unit square lies in the frame: stretch around its foot, then shift."""

    width: float = 1.0
    height: float = 1.0
    right: float = 0.0
    down: float = 0.0

    def apply(self, point: Point) -> Point:
        """Go from product coordinates to frame coordinates; (0.5, 0.87) is the product's foot."""
        x, y = point
        return (
            0.5 + (x - 0.5) * self.width + self.right,
            0.87 + (y - 0.87) * self.height + self.down,
        )


class Pen:
    """Collects parts back to front. All coordinates are in [0, 1], y pointing down."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self.parts: list[Part] = []
        self._side = SIZE * OVERSAMPLING
        self._draw: ImageDraw.ImageDraw | None = None

    def begin(self, finish: Finish) -> "Pen":
        """Start a new part on top of the earlier ones."""
        mask = Image.new("L", (self._side, self._side))
        self.parts.append(Part(mask, finish))
        self._draw = ImageDraw.Draw(mask)
        return self

    def polygon(self, *points: Point) -> "Pen":
        """Fill a polygon."""
        self._canvas().polygon([self._pixel(point) for point in points], fill=255)
        return self

    def ellipse(self, box: Box) -> "Pen":
        """Fill an ellipse given by its bounding box (left, top, right, bottom)."""
        self._canvas().ellipse(self._pixels(box), fill=255)
        return self

    def slab(self, box: Box, radius: float = 0.0) -> "Pen":
        """Fill a rectangle with rounded corners."""
        self._canvas().rounded_rectangle(self._pixels(box), radius * self._side, fill=255)
        return self

    def ring(self, box: Box, thickness: float, start: float = 0, end: float = 360) -> "Pen":
        """Draw an elliptic arc from `start` to `end` degrees, clockwise from 3 o'clock."""
        self._canvas().arc(
            self._pixels(box), start, end, fill=255, width=round(thickness * self._side)
        )
        return self

    def line(self, *points: Point, thickness: float) -> "Pen":
        """Draw a line of the given thickness through the points."""
        self._canvas().line(
            [self._pixel(point) for point in points],
            fill=255,
            width=round(thickness * self._side),
            joint="curve",
        )
        return self

    def _canvas(self) -> ImageDraw.ImageDraw:
        if self._draw is None:
            raise RuntimeError("begin a part before drawing")
        return self._draw

    def _pixel(self, point: Point) -> Point:
        x, y = self.placement.apply(point)
        return x * self._side, y * self._side

    def _pixels(self, box: Box) -> Box:
        left, top = self._pixel((box[0], box[1]))
        right, bottom = self._pixel((box[2], box[3]))
        return left, top, right, bottom
