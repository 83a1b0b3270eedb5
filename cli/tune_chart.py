"""The curve that `packshot tune` measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from cli.chart import INK, Chart, Mark, Spot


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
    chart = Chart(title=title, across="images at the same time", up="images a minute", right=690)
    top = _round_up(max(point.y for point in points))
    first, last = min(p.x for p in points), max(p.x for p in points)
    octaves = max(1.0, math.log2(last / first))
    for part in range(6):
        chart.rule(part / 5, f"{top * part / 5:g}")
    for x in sorted({point.x for point in points}):
        chart.mark(math.log2(x / first) / octaves, str(x))
    series: dict[str, list[Mark]] = {point.series: [] for point in points}
    for point in sorted(points, key=lambda point: point.x):
        across = math.log2(point.x / first) / octaves
        series[point.series].append(Mark(across, point.y / top, point.chosen))
    chart.lines(series, _dot)
    return chart.picture


def _dot(pen: ImageDraw.ImageDraw, spot: Spot, colour: str, chosen: bool) -> None:
    x, y = spot
    if chosen:
        pen.ellipse((x - 10, y - 10, x + 10, y + 10), outline=INK, width=3)
    pen.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)


def _round_up(value: float) -> float:
    """Give the next number like 1, 2 or 5 times a power of ten, so that the axis is readable."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
