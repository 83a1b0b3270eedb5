"""What the charts have in common: paper, axes with labels, lines with dots, and a legend."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from cli.lettering import font, readable

SIZE = (960, 560)
LEFT, TOP, BOTTOM = 80, 80, 490
PAPER, INK, GRID = "#ffffff", "#222222", "#dddddd"
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")
"""Tol's bright scheme: told apart by colour-blind people too."""

Spot = tuple[float, float]
"""A place on the picture, in pixels."""


class Mark(NamedTuple):
    """A point of a series; measures are between 0 and 1 along each axis."""

    across: float
    up: float
    special: bool
    """Whether it looks different from the others."""


Dot = Callable[[ImageDraw.ImageDraw, Spot, str, bool], None]
"""Draws a dot of a colour at a place, special or not."""


class Chart:
    """One panel with a legend beside it."""

    def __init__(self, *, title: str, across: str, up: str, right: int) -> None:
        """Make the paper.

        Args:
            title: Stands above.
            across: What the horizontal axis shows.
            up: What the vertical axis shows.
            right: Where the panel ends and the legend begins, in pixels.
        """
        self.picture = Image.new("RGB", SIZE, PAPER)
        self.pen = ImageDraw.Draw(self.picture)
        self._right = right
        self.pen.text((LEFT, 16), readable(title), fill=INK, font=font(20))
        self.pen.text((LEFT, TOP - 10), up, fill=INK, font=font(14), anchor="lb")
        middle = ((LEFT + right) / 2, BOTTOM + 34)
        self.pen.text(middle, across, fill=INK, font=font(14), anchor="ma")

    def place(self, across: float, up: float) -> Spot:
        """Say where a point is."""
        return LEFT + (self._right - LEFT) * across, BOTTOM - (BOTTOM - TOP) * up

    def rule(self, up: float, label: str) -> None:
        """Draw a line of the grid, and write what it stands for."""
        y = self.place(0, up)[1]
        self.pen.line([(LEFT, y), (self._right, y)], fill=GRID)
        self.pen.text((LEFT - 10, y), label, fill=INK, font=font(14), anchor="rm")

    def mark(self, across: float, label: str) -> None:
        """Write a label below the panel."""
        spot = (self.place(across, 0)[0], BOTTOM + 8)
        self.pen.text(spot, label, fill=INK, font=font(14), anchor="ma")

    def lines(self, series: Mapping[str, Sequence[Mark]], dot: Dot) -> None:
        """Draw a line through the marks of each series, and the legend."""
        for number, (name, marks) in enumerate(series.items()):
            colour = COLOURS[number % len(COLOURS)]
            spots = [self.place(mark.across, mark.up) for mark in marks]
            self.pen.line(spots, fill=colour, width=3)
            for spot, mark in zip(spots, marks, strict=True):
                dot(self.pen, spot, colour, mark.special)
            x, y = self._right + 30, TOP + 12 + 24 * number
            dot(self.pen, (x, y), colour, False)
            self.pen.text((x + 14, y), readable(name), fill=INK, font=font(14), anchor="lm")
