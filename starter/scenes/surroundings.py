"""Draws what objects stand on, or in front of; hue, light, scale and horizon are left to chance."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from starter.scenes.noise import Field, fractal_noise, smooth_noise
from starter.scenes.subjects import Surroundings

Pixels = npt.NDArray[np.floating[Any]]
"""(side, side, 3), RGB in [0, 1]."""
Paint = tuple[float, float, float]

_TEXTURE = 192
"""Side of the textures that floors are made of, in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Surroundings, and where in them an object may stand."""

    pixels: Pixels
    horizon: float
    """Where floor and wall meet, as a share of the height."""
    shadow: float
    """How dark a contact shadow is here, from 0 to 1."""


def draw_surroundings(surroundings: Surroundings, rng: np.random.Generator, side: int) -> Place:
    """Draw surroundings, `side` pixels square."""
    return _DRAW[surroundings](rng, side)


def _studio(rng: np.random.Generator, side: int, paint: Pixels, horizon: float) -> Place:
    """Draw a backdrop without an edge: lighter around a random spot, darker on the ground."""
    y, x = _grid(side)
    spot = np.hypot(x - rng.uniform(0.25, 0.75), y - rng.uniform(0.2, 0.6))
    light = 1.03 - rng.uniform(0.02, 0.22) * spot - rng.uniform(0, 0.08) * _step(y, horizon, 0.12)
    return Place(pixels=paint * light[..., None], horizon=horizon, shadow=rng.uniform(0.2, 0.5))


def _white_studio(rng: np.random.Generator, side: int) -> Place:
    return _studio(rng, side, _paint((0.985, 0.985, 0.98), rng, 0.01), rng.uniform(0.55, 0.75))


def _grey_studio(rng: np.random.Generator, side: int) -> Place:
    grey = rng.uniform(0.42, 0.66)
    return _studio(rng, side, _paint((grey, grey, grey), rng, 0.015), rng.uniform(0.55, 0.75))


def _coloured_studio(rng: np.random.Generator, side: int) -> Place:
    paint = _hue(rng.random(), saturation=rng.uniform(0.3, 0.6), value=rng.uniform(0.75, 0.95))
    return _studio(rng, side, paint, rng.uniform(0.55, 0.75))


def _wood(rng: np.random.Generator, side: int) -> Place:
    long, across = rng.uniform(1.0, 2.5), rng.uniform(14, 30)
    grain = fractal_noise(rng, _TEXTURE, (across, long), 3)
    rings = 0.5 + 0.5 * np.sin(grain * rng.uniform(18, 40))
    tone = rng.uniform(0.35, 0.85)
    dark = np.array((0.42, 0.26, 0.14), np.float32) * tone
    light = np.array((0.86, 0.62, 0.38), np.float32) * (0.5 + 0.5 * tone)
    texture = _mix(dark, light, 0.35 + 0.35 * grain + 0.3 * rings)
    boards = rng.integers(2, 6)
    seams = np.abs(((np.arange(_TEXTURE) / _TEXTURE * boards) % 1) - 0.5) > 0.485
    texture[seams] *= 0.6
    if rng.random() < 0.5:
        texture = texture.transpose(1, 0, 2)
    return _table(rng, side, texture)


def _marble(rng: np.random.Generator, side: int) -> Place:
    warp = fractal_noise(rng, _TEXTURE, (3, 3))
    y, x = _grid(_TEXTURE)
    turn = rng.uniform(0, np.pi)
    veins = np.abs(np.sin((np.cos(turn) * x + np.sin(turn) * y) * 5 + warp * rng.uniform(5, 9)))
    lines = np.clip(1 - veins * rng.uniform(2.5, 5), 0, 1) * fractal_noise(rng, _TEXTURE, (4, 4))
    base = 0.9 + 0.1 * fractal_noise(rng, _TEXTURE, (2, 2))
    vein = np.array((0.42, 0.43, 0.47), np.float32) + rng.uniform(-0.06, 0.06, 3)
    stone = np.array((0.93, 0.92, 0.91), np.float32)
    return _table(rng, side, _mix(stone, vein, lines) * base[..., None])


def _concrete(rng: np.random.Generator, side: int) -> Place:
    grey = rng.uniform(0.45, 0.68)
    stains = fractal_noise(rng, _TEXTURE, (5, 5), 5) - 0.5
    grains = rng.normal(0, 0.01, (_TEXTURE, _TEXTURE)).astype(np.float32)
    texture = _paint((grey, grey, grey * 0.98), rng, 0.02) + (0.4 * stains + grains)[..., None]
    if rng.random() < 0.5:
        seam = rng.integers(0, _TEXTURE)
        texture[seam : seam + 2] *= 0.55
        texture[:, (seam * 7) % _TEXTURE : (seam * 7) % _TEXTURE + 2] *= 0.55
    return _floor(rng, side, texture, _wall(rng, side))


def _sand(rng: np.random.Generator, side: int) -> Place:
    ripples = np.sin(fractal_noise(rng, _TEXTURE, (rng.uniform(3, 7), 2), 3) * rng.uniform(15, 45))
    grains = rng.normal(0, 0.014, (_TEXTURE, _TEXTURE))
    shade = (0.06 * ripples + grains).astype(np.float32)
    texture = _paint((0.86, 0.74, 0.55), rng, 0.05) + shade[..., None]
    sky = _gradient(side, (0.45, 0.68, 0.92), (0.80, 0.90, 0.97), rng)
    if rng.random() < 0.6:
        y, _ = _grid(side)
        sea = _step(y, rng.uniform(0.2, 0.38), 0.01)[..., None]
        sky = sky * (1 - sea) + sea * _paint((0.16, 0.48, 0.62), rng, 0.06)
    return _floor(rng, side, texture, sky)


def _grass(rng: np.random.Generator, side: int) -> Place:
    blades = fractal_noise(rng, _TEXTURE, (rng.uniform(9, 15), rng.uniform(22, 40)), 2)
    patches = fractal_noise(rng, _TEXTURE, (3, 3))
    light = np.array((0.52, 0.74, 0.25), np.float32) + rng.uniform(-0.08, 0.08, 3)
    dark = np.array((0.12, 0.32, 0.09), np.float32)
    texture = _mix(dark, light, np.clip(1.6 * blades - 0.5 + 0.5 * patches, 0, 1))
    leaves = fractal_noise(rng, side, (9, 9), 3)
    hedge = _mix(dark * 0.8, light * 0.8, leaves)
    behind = (
        hedge if rng.random() < 0.6 else _gradient(side, (0.5, 0.72, 0.95), (0.85, 0.93, 1), rng)
    )
    return _floor(rng, side, texture, behind)


def _cloth(rng: np.random.Generator, side: int) -> Place:
    """Draw folds over the picture: a sine along a random direction, bent by noise, lit aslant."""
    y, x = _grid(side)
    turn = rng.uniform(0, np.pi)
    along = np.cos(turn) * x + np.sin(turn) * y
    bend = fractal_noise(rng, side, (3, 3), 2)
    height = np.sin(along * rng.uniform(12, 26) + bend * rng.uniform(4, 9))
    height = height * smooth_noise(rng, side, (3, 3))
    slope_y, slope_x = np.gradient(height.astype(np.float32))
    lit = np.cos(turn) * slope_x + np.sin(turn) * slope_y
    paint = _hue(rng.random(), saturation=rng.uniform(0.05, 0.5), value=rng.uniform(0.55, 0.95))
    weave = rng.normal(0, 0.006, (side, side)).astype(np.float32)
    light = 0.92 + lit * rng.uniform(1.2, 2.2) + weave
    return Place(
        pixels=paint * light[..., None], horizon=rng.uniform(0.3, 0.6), shadow=rng.uniform(0.3, 0.5)
    )


def _bricks(rng: np.random.Generator, side: int) -> Place:
    y, x = _grid(side)
    rows = rng.uniform(6, 11)
    line = np.floor(y * rows)
    across = x * rows * rng.uniform(0.38, 0.5) + 0.5 * (line % 2) + rng.random()
    column = np.floor(across)
    mortar = (np.abs(y * rows - line - 0.5) > 0.41) | (np.abs(across - column - 0.5) > 0.46)
    tints = rng.uniform(0.8, 1.15, 997).astype(np.float32)
    tint = tints[((line * 31 + column * 17) % 997).astype(int)]
    rough = 0.9 + 0.2 * fractal_noise(rng, side, (16, 16), 2)
    brick = _paint((0.62, 0.30, 0.22), rng, 0.06) * (tint * rough)[..., None]
    joint = _paint((0.72, 0.69, 0.64), rng, 0.03) * rough[..., None]
    wall = np.where(mortar[..., None], joint, brick)
    grey = rng.uniform(0.35, 0.7)
    grains = rng.normal(0, 0.012, (_TEXTURE, _TEXTURE, 1)).astype(np.float32)
    return _floor(rng, side, _paint((grey, grey * 0.97, grey * 0.93), rng, 0.03) + grains, wall)


def _window(rng: np.random.Generator, side: int) -> Place:
    """Draw a wall and a table with the light of a window's panes, or of blinds, across both."""
    place = _floor(rng, side, _plain_texture(rng), _wall(rng, side))
    y, x = _grid(side)
    lean, turn = rng.uniform(-0.7, 0.7), rng.uniform(-0.25, 0.25)
    across, down = x + lean * (y - 0.5), y + turn * (x - 0.5)
    width = rng.uniform(0.45, 0.85)
    left = rng.uniform(-0.1, 1.05 - width)
    inside = _step(across, left, 0.015) * _step(-across, -left - width, 0.015)
    if rng.random() < 0.5:
        bars = np.abs((((down - 0.1) * rng.uniform(7, 12)) % 1) - 0.5) > 0.3
        panes = np.where(bars, 0.15, 1.0)
    else:
        many = rng.integers(2, 4)
        bar = np.abs(((across - left) / width * many) % 1 - 0.5) > 0.46
        panes = np.where(bar | (np.abs(((down - 0.05) * 3) % 1 - 0.5) > 0.46), 0.2, 1.0)
    light = rng.uniform(0.55, 0.72) + rng.uniform(0.4, 0.6) * (inside * panes)
    warm = np.array((1.05, 1.0, 0.9), np.float32)
    lit = place.pixels * light[..., None].astype(np.float32) * warm
    return Place(pixels=lit, horizon=place.horizon, shadow=rng.uniform(0.35, 0.6))


def _shelf(rng: np.random.Generator, side: int) -> Place:
    """Draw a board seen from the front, and other things blurred on it."""
    wall = _wall(rng, side)
    horizon = rng.uniform(0.7, 0.84)
    y, x = _grid(side)
    pixels = wall
    for _ in range(rng.integers(1, 4)):
        left, width, height = (
            rng.uniform(-0.1, 0.95),
            rng.uniform(0.06, 0.16),
            rng.uniform(0.2, 0.5),
        )
        soft = rng.uniform(0.01, 0.03)
        inside = (
            _step(x, left, soft) * _step(-x, -left - width, soft) * _step(y, horizon - height, soft)
        )
        paint = _hue(rng.random(), saturation=rng.uniform(0.1, 0.5), value=rng.uniform(0.4, 0.85))
        pixels = pixels * (1 - inside[..., None] * 0.75) + paint * (inside[..., None] * 0.75)
    wood = rng.uniform(0.3, 0.8)
    grain = fractal_noise(rng, side, (rng.uniform(25, 40), 2), 2)
    board = _mix(
        np.array((0.35, 0.22, 0.12), np.float32), np.array((0.95, 0.86, 0.72), np.float32),
        np.clip(wood + 0.35 * (grain - 0.5), 0, 1),
    )  # fmt: skip
    edge = horizon + rng.uniform(0.06, 0.1)
    below = _step(y, edge, 0.006)[..., None]
    board = board * (1 - 0.3 * below)
    top = _step(y, horizon, 0.006)[..., None]
    end = _step(y, edge + rng.uniform(0.04, 0.07), 0.006)[..., None]
    pixels = pixels * (1 - top) + board * top
    pixels = pixels * (1 - end) + wall * 0.55 * end
    return Place(pixels=pixels, horizon=horizon, shadow=rng.uniform(0.3, 0.5))


_DRAW: dict[Surroundings, Callable[[np.random.Generator, int], Place]] = {
    Surroundings.WHITE_STUDIO: _white_studio,
    Surroundings.GREY_STUDIO: _grey_studio,
    Surroundings.COLOURED_STUDIO: _coloured_studio,
    Surroundings.WOOD: _wood,
    Surroundings.MARBLE: _marble,
    Surroundings.CLOTH: _cloth,
    Surroundings.GRASS: _grass,
    Surroundings.SAND: _sand,
    Surroundings.CONCRETE: _concrete,
    Surroundings.BRICKS: _bricks,
    Surroundings.WINDOW: _window,
    Surroundings.SHELF: _shelf,
}


def _table(rng: np.random.Generator, side: int, texture: Pixels) -> Place:
    return _floor(rng, side, texture, _wall(rng, side))


def _floor(rng: np.random.Generator, side: int, texture: Pixels, behind: Pixels) -> Place:
    """Lay a texture in perspective below a random horizon; what is behind fills the rest."""
    horizon = rng.uniform(0.3, 0.55)
    y, x = _grid(side)
    depth = 1 / np.maximum(y - horizon + rng.uniform(0.25, 0.6), 0.05)
    scale = rng.uniform(0.25, 0.5) * _TEXTURE
    right, down = rng.random(2) * _TEXTURE
    u = _mirrored((x - 0.5) * depth * scale + right)
    v = _mirrored(depth * scale + down)
    light = 0.85 + 0.25 * _step(y, horizon, 0.5) * rng.uniform(0.3, 1)
    ground = texture[v, u] * light[..., None]
    below = _step(y, horizon, rng.uniform(0.004, 0.02))[..., None]
    return Place(
        pixels=behind * (1 - below) + ground * below, horizon=horizon, shadow=rng.uniform(0.3, 0.6)
    )


def _mirrored(place: Field) -> npt.NDArray[np.int64]:
    """Return a texture's pixels for places on an endless plane: every other tile is turned over."""
    return np.abs(place.astype(np.int64) % (2 * _TEXTURE - 1) - _TEXTURE + 1)


def _wall(rng: np.random.Generator, side: int) -> Pixels:
    paint = _hue(rng.random(), saturation=rng.uniform(0, 0.25), value=rng.uniform(0.5, 0.95))
    return paint * (0.9 + 0.15 * smooth_noise(rng, side, (2, 2)))[..., None]


def _plain_texture(rng: np.random.Generator) -> Pixels:
    paint = _hue(
        rng.uniform(0.02, 0.14), saturation=rng.uniform(0, 0.4), value=rng.uniform(0.5, 0.9)
    )
    return paint * (0.9 + 0.2 * fractal_noise(rng, _TEXTURE, (4, 30), 2))[..., None]


def _gradient(side: int, top: Paint, bottom: Paint, rng: np.random.Generator) -> Pixels:
    y, _ = _grid(side)
    return _mix(np.array(top, np.float32), np.array(bottom, np.float32), y) * rng.uniform(0.85, 1)


def _paint(colour: Paint, rng: np.random.Generator, jitter: float) -> Pixels:
    return np.array(colour, np.float32) + rng.uniform(-jitter, jitter, 3).astype(np.float32)


def _hue(hue: float, *, saturation: float, value: float) -> Pixels:
    """Return an RGB colour of hue, saturation and value, each in [0, 1]."""
    wheel = np.abs((hue * 6 + np.array((0.0, 4.0, 2.0))) % 6 - 3) - 1
    return (value * (1 - saturation * (1 - np.clip(wheel, 0, 1)))).astype(np.float32)


def _mix(first: Pixels, second: Pixels, share: Field) -> Pixels:
    part = np.clip(share, 0, 1)[..., None]
    return first * (1 - part) + second * part


def _step(values: Field, edge: float, width: float) -> Field:
    """Return 0 below the edge and 1 above it, smooth over `width` on both sides."""
    t = np.clip((values - edge + width) / (2 * width), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _grid(side: int) -> tuple[Field, Field]:
    """Return y and x of each pixel, in [0, 1]."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    return y, x
