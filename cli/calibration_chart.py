"""What `packshot cache calibrate` measured: likeness to the full run, over the steps spared."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from cli.lettering import font, readable

SIZE = (960, 560)
LEFT, TOP, RIGHT, BOTTOM = 80, 80, 620, 490
PAPER, INK, GRID = "#ffffff", "#222222", "#dddddd"
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")
"""Tol's bright scheme: told apart by colour-blind people too."""


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
    picture = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(picture)
    steps = sorted({point.step for point in points})
    top = 10.0 * (1 + max(point.psnr for point in points) // 10)

    def place(step: float, decibels: float) -> tuple[float, float]:
        width = max(1, steps[-1] - steps[0])
        across = (step - steps[0]) / width
        return LEFT + (RIGHT - LEFT) * across, BOTTOM - (BOTTOM - TOP) * decibels / top

    pen.text((LEFT, 16), readable(title), fill=INK, font=font(20))
    for decibels in range(0, round(top) + 1, 10):
        y = place(0, decibels)[1]
        pen.line([(LEFT, y), (RIGHT, y)], fill=GRID)
        pen.text((LEFT - 10, y), str(decibels), fill=INK, font=font(14), anchor="rm")
    for step in steps:
        pen.text((place(step, 0)[0], BOTTOM + 8), str(step), fill=INK, font=font(14), anchor="ma")
    label = "PSNR against the full run, dB; hollow: too many images went wrong"
    pen.text((LEFT, TOP - 10), label, fill=INK, font=font(14), anchor="lb")
    middle = ((LEFT + RIGHT) / 2, BOTTOM + 34)
    pen.text(middle, "steps spared (K)", fill=INK, font=font(14), anchor="ma")
    for number, name in enumerate(dict.fromkeys(point.series for point in points)):
        colour = COLOURS[number % len(COLOURS)]
        line = sorted((p for p in points if p.series == name), key=lambda point: point.step)
        pen.line([place(p.step, p.psnr) for p in line], fill=colour, width=3)
        for point in line:
            _dot(pen, place(point.step, point.psnr), colour, hollow=not point.good)
        legend = (RIGHT + 30, TOP + 12 + 24 * number)
        _dot(pen, legend, colour)
        pen.text((legend[0] + 14, legend[1]), readable(name), fill=INK, font=font(14), anchor="lm")
    return picture


def _dot(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], colour: str, *, hollow: bool = False
) -> None:
    x, y = place
    fill = PAPER if hollow else colour
    pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=fill, outline=colour, width=3)
