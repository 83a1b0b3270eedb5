"""The outlines of the products, drawn with a `Pen` from back to front."""

from collections.abc import Callable
from itertools import pairwise
from math import cos, pi, sin

from starter.data.attributes import Kind
from starter.data.pen import Finish, Pen, Point


def _profile(*half_widths: Point, steps: int = 12) -> list[Point]:
    """Make a symmetric outline from (y, half width) pairs, rounded between them with a cosine."""
    right: list[Point] = []
    for (y0, w0), (y1, w1) in pairwise(half_widths):
        for step in range(steps):
            t = step / steps
            right.append((w0 + (w1 - w0) * (1 - cos(pi * t)) / 2, y0 + (y1 - y0) * t))
    right.append((half_widths[-1][1], half_widths[-1][0]))
    return [(0.5 + w, y) for w, y in right] + [(0.5 - w, y) for w, y in reversed(right)]


def _mug(pen: Pen) -> None:
    pen.begin(Finish.PLAIN).ring((0.58, 0.36, 0.88, 0.72), 0.06)
    pen.begin(Finish.BODY).slab((0.2, 0.28, 0.7, 0.82), 0.06).ellipse((0.2, 0.74, 0.7, 0.87))
    pen.polygon((0.2, 0.26), (0.7, 0.26), (0.7, 0.5), (0.2, 0.5))
    pen.begin(Finish.PLAIN).ellipse((0.2, 0.19, 0.7, 0.33))
    pen.begin(Finish.DEEP).ellipse((0.235, 0.21, 0.665, 0.31))


def _bottle(pen: Pen) -> None:
    pen.begin(Finish.BODY).polygon(
        *_profile((0.2, 0.07), (0.28, 0.07), (0.42, 0.16), (0.8, 0.16))
    ).slab((0.34, 0.6, 0.66, 0.87), 0.05)
    pen.begin(Finish.METAL).slab((0.41, 0.09, 0.59, 0.21), 0.02)


def _t_shirt(pen: Pen) -> None:
    pen.begin(Finish.PLAIN)
    for side in (-1, 1):
        pen.polygon(
            (0.5 + side * 0.17, 0.17),
            (0.5 + side * 0.29, 0.21),
            (0.5 + side * 0.43, 0.42),
            (0.5 + side * 0.29, 0.5),
            (0.5 + side * 0.2, 0.4),
        )
    pen.begin(Finish.BODY).polygon(
        (0.36, 0.16), (0.64, 0.16), (0.75, 0.22), (0.73, 0.86), (0.27, 0.86), (0.25, 0.22)
    )
    pen.begin(Finish.DEEP).ellipse((0.39, 0.1, 0.61, 0.24))


def _sneaker(pen: Pen) -> None:
    pen.begin(Finish.BODY).polygon(
        (0.1, 0.44), (0.15, 0.4), (0.27, 0.45), (0.4, 0.36), (0.48, 0.37), (0.62, 0.55),
        (0.82, 0.62), (0.91, 0.7), (0.92, 0.79), (0.09, 0.79),
    )  # fmt: skip
    pen.begin(Finish.DEEP).polygon((0.15, 0.4), (0.27, 0.45), (0.4, 0.36), (0.3, 0.5), (0.2, 0.5))
    pen.begin(Finish.LIGHT).slab((0.07, 0.76, 0.94, 0.86), 0.045)
    for x, y in ((0.46, 0.44), (0.525, 0.51), (0.59, 0.58)):
        pen.line((x - 0.06, y + 0.05), (x + 0.04, y - 0.04), thickness=0.022)


def _handbag(pen: Pen) -> None:
    pen.begin(Finish.DEEP).ring((0.3, 0.12, 0.7, 0.64), 0.045, 180, 360)
    pen.begin(Finish.BODY).polygon((0.18, 0.4), (0.82, 0.4), (0.91, 0.84), (0.09, 0.84))
    pen.slab((0.09, 0.78, 0.91, 0.87), 0.04)
    pen.begin(Finish.PLAIN).slab((0.17, 0.36, 0.83, 0.46), 0.03)
    pen.begin(Finish.METAL).slab((0.45, 0.41, 0.55, 0.52), 0.02)


def _lamp(pen: Pen) -> None:
    pen.begin(Finish.METAL).slab((0.475, 0.45, 0.525, 0.84)).ellipse((0.3, 0.78, 0.7, 0.87))
    pen.begin(Finish.BODY).polygon((0.36, 0.12), (0.64, 0.12), (0.84, 0.52), (0.16, 0.52))


def _chair(pen: Pen) -> None:
    pen.begin(Finish.METAL)
    for top, bottom in ((0.27, 0.21), (0.73, 0.79), (0.38, 0.36), (0.62, 0.64)):
        pen.line((top, 0.62), (bottom, 0.87), thickness=0.035)
    pen.begin(Finish.BODY).slab((0.26, 0.1, 0.74, 0.56), 0.08)
    pen.begin(Finish.PLAIN).polygon((0.26, 0.54), (0.74, 0.54), (0.82, 0.66), (0.18, 0.66))
    pen.slab((0.18, 0.63, 0.82, 0.7), 0.03)


def _watch(pen: Pen) -> None:
    pen.begin(Finish.BODY).polygon((0.38, 0.08), (0.62, 0.08), (0.66, 0.34), (0.34, 0.34))
    pen.polygon((0.34, 0.62), (0.66, 0.62), (0.62, 0.88), (0.38, 0.88))
    pen.begin(Finish.METAL).slab((0.72, 0.44, 0.8, 0.52), 0.02)
    pen.ellipse((0.24, 0.22, 0.76, 0.74))
    pen.begin(Finish.LIGHT).ellipse((0.3, 0.28, 0.7, 0.68))
    pen.begin(Finish.DARK).line((0.5, 0.34), (0.5, 0.48), (0.6, 0.54), thickness=0.03)


def _cap(pen: Pen) -> None:
    pen.begin(Finish.DEEP).ellipse((0.4, 0.62, 0.97, 0.8))
    dome = [(0.44 + 0.32 * cos(pi * t / 24), 0.7 - 0.42 * sin(pi * t / 24)) for t in range(25)]
    pen.begin(Finish.BODY).polygon(*dome).ellipse((0.12, 0.6, 0.76, 0.79))
    pen.begin(Finish.PLAIN).ellipse((0.4, 0.25, 0.48, 0.31))


def _backpack(pen: Pen) -> None:
    pen.begin(Finish.DEEP).ring((0.4, 0.07, 0.6, 0.27), 0.035)
    pen.slab((0.17, 0.42, 0.3, 0.82), 0.05).slab((0.7, 0.42, 0.83, 0.82), 0.05)
    pen.begin(Finish.BODY).slab((0.23, 0.14, 0.77, 0.87), 0.17)
    pen.begin(Finish.DEEP).slab((0.3, 0.56, 0.7, 0.83), 0.06)
    pen.begin(Finish.PLAIN).slab((0.325, 0.6, 0.675, 0.805), 0.045)
    pen.begin(Finish.METAL).slab((0.46, 0.58, 0.54, 0.66), 0.02)


def _vase(pen: Pen) -> None:
    pen.begin(Finish.BODY).polygon(
        *_profile((0.13, 0.16), (0.32, 0.075), (0.58, 0.26), (0.87, 0.12))
    )
    pen.begin(Finish.DEEP).ellipse((0.34, 0.1, 0.66, 0.17))


def _teapot(pen: Pen) -> None:
    pen.begin(Finish.PLAIN).ring((0.06, 0.42, 0.36, 0.74), 0.055)
    pen.polygon((0.68, 0.7), (0.85, 0.38), (0.95, 0.36), (0.93, 0.42), (0.74, 0.8))
    pen.begin(Finish.BODY).ellipse((0.21, 0.36, 0.79, 0.86)).slab((0.38, 0.8, 0.62, 0.87), 0.01)
    pen.begin(Finish.PLAIN).ellipse((0.34, 0.3, 0.66, 0.46))
    pen.begin(Finish.DEEP).ellipse((0.44, 0.22, 0.56, 0.33))


SHAPES: dict[Kind, Callable[[Pen], None]] = {
    Kind.MUG: _mug,
    Kind.BOTTLE: _bottle,
    Kind.T_SHIRT: _t_shirt,
    Kind.SNEAKER: _sneaker,
    Kind.HANDBAG: _handbag,
    Kind.LAMP: _lamp,
    Kind.CHAIR: _chair,
    Kind.WATCH: _watch,
    Kind.CAP: _cap,
    Kind.BACKPACK: _backpack,
    Kind.VASE: _vase,
    Kind.TEAPOT: _teapot,
}
"""How each kind is drawn."""
