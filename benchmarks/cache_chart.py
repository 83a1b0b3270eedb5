"""Hit rates over budgets, a panel for each popularity."""

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw

from cli.chart import COLOURS, GRID, INK, PAPER
from cli.lettering import font, readable

PANEL, HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 330, 420, 60, 60, 350, 150


def draw(cases: Sequence[dict[str, Any]]) -> Image.Image:
    """Draw what `benchmarks.caches` measured: a line for each policy."""
    exponents = sorted({case["exponent"] for case in cases})
    width = LEFT + PANEL * len(exponents) + LEGEND
    picture = Image.new("RGB", (width, HEIGHT), PAPER)
    pen = ImageDraw.Draw(picture)
    title = "Hit rate of each eviction policy, by budget in % of the distinct images"
    pen.text((LEFT, 12), readable(title), fill=INK, font=font(18))
    names = list(cases[0]["hit_rate"])
    for number, exponent in enumerate(exponents):
        panel = [case for case in cases if case["exponent"] == exponent]
        _panel(pen, panel, LEFT + PANEL * number, f"Zipf exponent {exponent}", names)
    for number, name in enumerate(names):
        y = TOP + 14 + 24 * number
        left = LEFT + PANEL * len(exponents)
        pen.line([(left, y), (left + 24, y)], fill=COLOURS[number % len(COLOURS)], width=3)
        pen.text((left + 32, y), readable(name), fill=INK, font=font(14), anchor="lm")
    return picture


def _panel(
    pen: ImageDraw.ImageDraw,
    cases: Sequence[dict[str, Any]],
    left: int,
    title: str,
    names: Sequence[str],
) -> None:
    right = left + PANEL - 50
    pen.text((left, TOP - 10), readable(title), fill=INK, font=font(14), anchor="lb")
    for part in range(6):
        y = BOTTOM - (BOTTOM - TOP) * part / 5
        pen.line([(left, y), (right, y)], fill=GRID)
        pen.text((left - 6, y), f"{part * 20}", fill=INK, font=font(12), anchor="rm")
    across = (right - left) / max(1, len(cases) - 1)
    for number, case in enumerate(cases):
        x = left + across * number
        pen.text((x, BOTTOM + 8), f"{case['budget']:.0%}", fill=INK, font=font(12), anchor="ma")
    for number, name in enumerate(names):
        points = [
            (left + across * place, BOTTOM - (BOTTOM - TOP) * case["hit_rate"][name])
            for place, case in enumerate(cases)
        ]
        colour = COLOURS[number % len(COLOURS)]
        pen.line(points, fill=colour, width=3)
        for x, y in points:
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
