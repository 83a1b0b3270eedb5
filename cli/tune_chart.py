"""The curve that `packshot tune` measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from cli.lettering import font, readable

SIZE = (960, 560)
LEFT, TOP, RIGHT, BOTTOM = 80, 80, 690, 490
PAPER, INK, GRID = "#ffffff", "#222222", "#dddddd"
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")
"""Tol's bright scheme: told apart by colour-blind people too."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measured plan."""

    series: str
    """Points of one series are joined by a line."""
    x: int
    """Images in the works at the same time."""
    y: float
    """Images a minute."""
    chosen: bool = False


def draw(points: Sequence[Point], *, title: str) -> Image.Image:
    """Draw images a minute over images at the same time, a line for each series."""
    picture = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(picture)
    top = _round_up(max(point.y for point in points))
    first, last = min(p.x for p in points), max(p.x for p in points)
    octaves = max(1.0, math.log2(last / first))

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log2(x / first) / octaves
        return LEFT + (RIGHT - LEFT) * across, BOTTOM - (BOTTOM - TOP) * y / top

    pen.text((LEFT, 16), readable(title), fill=INK, font=font(20))
    for part in range(6):
        y = top * part / 5
        pen.line([place(first, y), (RIGHT, place(first, y)[1])], fill=GRID)
        label = (LEFT - 10, place(first, y)[1])
        pen.text(label, f"{y:g}", fill=INK, font=font(14), anchor="rm")
    for x in sorted({point.x for point in points}):
        pen.text((place(x, 0)[0], BOTTOM + 8), str(x), fill=INK, font=font(14), anchor="ma")
    pen.text((LEFT, TOP - 10), "images a minute", fill=INK, font=font(14), anchor="lb")
    middle = ((LEFT + RIGHT) / 2, BOTTOM + 34)
    pen.text(middle, "images at the same time", fill=INK, font=font(14), anchor="ma")
    for number, name in enumerate(dict.fromkeys(point.series for point in points)):
        colour = COLOURS[number % len(COLOURS)]
        line = sorted((p for p in points if p.series == name), key=lambda point: point.x)
        pen.line([place(p.x, p.y) for p in line], fill=colour, width=3)
        for point in line:
            _dot(pen, place(point.x, point.y), colour, chosen=point.chosen)
        _dot(pen, (RIGHT + 30, TOP + 12 + 24 * number), colour)
        label = (RIGHT + 44, TOP + 12 + 24 * number)
        pen.text(label, readable(name), fill=INK, font=font(14), anchor="lm")
    return picture


def _dot(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], colour: str, *, chosen: bool = False
) -> None:
    x, y = place
    if chosen:
        pen.ellipse((x - 10, y - 10, x + 10, y + 10), outline=INK, width=3)
    pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)


def _round_up(value: float) -> float:
    """Give the next number like 1, 2 or 5 times a power of ten, so that the axis is readable."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
