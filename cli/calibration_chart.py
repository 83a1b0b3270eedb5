"""What `packshot cache calibrate` measured: likeness to the full run, over the steps spared."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from cli.chart import PAPER, Chart, Mark, Spot


@dataclass(frozen=True, kw_only=True)
class Point:
    """The pairs of one kind at one number of steps."""

    series: str
    """Points of one series are joined by a line."""
    step: int
    psnr: float
    """Mean, in dB."""
    good: bool
    """Whether no more of the images went wrong than may."""


def draw(points: Sequence[Point], *, title: str) -> Image.Image:
    """Draw a line for each series; points at which too many images went wrong are hollow."""
    chart = Chart(
        title=title,
        across="steps spared (K)",
        up="PSNR against the full run, dB; hollow: too many images went wrong",
        right=620,
    )
    top = 10.0 * (1 + max(point.psnr for point in points) // 10)
    for decibels in range(0, round(top) + 1, 10):
        chart.rule(decibels / top, str(decibels))
    steps = sorted({point.step for point in points})
    width = max(1, steps[-1] - steps[0])
    for step in steps:
        chart.mark((step - steps[0]) / width, str(step))
    series: dict[str, list[Mark]] = {point.series: [] for point in points}
    for point in sorted(points, key=lambda point: point.step):
        across = (point.step - steps[0]) / width
        series[point.series].append(Mark(across, point.psnr / top, not point.good))
    chart.lines(series, _dot)
    return chart.picture


def _dot(pen: ImageDraw.ImageDraw, spot: Spot, colour: str, hollow: bool) -> None:
    x, y = spot
    fill = PAPER if hollow else colour
    pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=fill, outline=colour, width=3)
