"""Photographs to learn from: an object before a backdrop, lit and developed, and its true alpha."""

import math
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from starter.scenes.noise import smooth_noise

Levels = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A photograph whose product is known."""

    pixels: npt.NDArray[np.uint8]
    """(side, side, 3), sRGB."""
    alpha: npt.NDArray[np.uint8]
    """(side, side): 255 where the product is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Layers and backdrops that photographs are put together from."""

    layers: npt.NDArray[np.uint8]
    """(count, side, side, 4), RGBA."""
    backdrops: npt.NDArray[np.uint8]
    """(count, side, side, 3), RGB."""

    def photograph(self, rng: np.random.Generator, side: int) -> Sample:
        """Put a photograph together, `side` pixels square."""
        ground = _backdrop(self.backdrops[rng.integers(len(self.backdrops))], rng, side)
        for _ in range(rng.choice(4, p=(0.6, 0.2, 0.12, 0.08))):
            ground = _with_distractor(ground, self._layer(rng), rng)
        product = _placed(self._layer(rng), rng, side)
        alpha = np.asarray(product.getchannel("A"))
        light = 1 - _shadow(product, rng)
        share = alpha[..., None].astype(np.float32) / 255
        body = np.asarray(product, np.float32)[..., :3] * _lighting(rng, side)[..., None]
        pixels = np.asarray(ground, np.float32) * light[..., None] * (1 - share) + body * share
        return Sample(pixels=_developed(pixels, rng), alpha=alpha)

    def _layer(self, rng: np.random.Generator) -> Image.Image:
        return Image.fromarray(self.layers[rng.integers(len(self.layers))], "RGBA")


def _backdrop(pixels: npt.NDArray[np.uint8], rng: np.random.Generator, side: int) -> Image.Image:
    """Take a part of a backdrop, in other colours: nearly all of them are seen more than once."""
    whole = pixels.shape[0]
    part = rng.uniform(0.6, 1) * whole
    left, top = rng.uniform(0, whole - part, 2)
    box = (left, top, left + part, top + part)
    cut = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR, box=box)
    if rng.random() < 0.5:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.35:
        # Mixing channels turns hues, and leaves what is grey grey.
        mix = np.eye(3) + rng.normal(0, 0.25, (3, 3))
        mix /= mix.sum(axis=1, keepdims=True)
        levels = np.clip(np.asarray(cut, np.float32) @ mix.T.astype(np.float32), 0, 255)
        cut = Image.fromarray(levels.astype(np.uint8))
    if rng.random() < 0.25:
        cut = cut.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 4)))
    return cut


def _with_distractor(
    ground: Image.Image, layer: Image.Image, rng: np.random.Generator
) -> Image.Image:
    """Lay something else on the ground that the frame cuts off."""
    side = ground.width
    size = round(rng.uniform(0.25, 0.8) * side)
    other = _turned(layer, size, rng, 25)
    along = rng.uniform(-0.1, 1.1) * side
    beyond = rng.uniform(-0.12, 0.1) * size
    at = beyond if rng.random() < 0.5 else side - beyond
    middle = (at, along) if rng.random() < 0.6 else (along, at)
    if rng.random() < 0.4:
        other = other.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))
    corner = (round(middle[0] - other.width / 2), round(middle[1] - other.height / 2))
    covered = ground.copy()
    covered.paste(other, corner, other)
    return covered


def _placed(layer: Image.Image, rng: np.random.Generator, side: int) -> Image.Image:
    """Put the product into the frame: whole, somewhere about the middle; seldom cut off."""
    product = _turned(layer, round(rng.uniform(0.38, 0.88) * side), rng, 14)
    frame = Image.new("RGBA", (side, side))
    if rng.random() < 0.94:
        room = np.maximum(side - np.array(product.size), 0) / 2
        off = np.clip(rng.normal(0, 0.12 * side, 2), -room, room)
    else:
        off = rng.uniform(-0.36, 0.36, 2) * side
    corner = (np.array((side, side)) - product.size) / 2 + off
    frame.paste(product, (round(corner[0]), round(corner[1])))
    return frame


def _turned(layer: Image.Image, size: int, rng: np.random.Generator, spread: float) -> Image.Image:
    """Scale, stretch, flip and turn a layer, and crop it to what is there of it."""
    if rng.random() < 0.5:
        layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    stretch = math.exp(rng.normal(0, 0.13))
    target = (max(8, round(size * stretch)), max(8, round(size / stretch)))
    scaled = layer.resize(target, Image.Resampling.BICUBIC)
    if rng.random() < 0.7:
        turn = rng.normal(0, spread) if rng.random() < 0.9 else rng.uniform(0, 360)
        scaled = scaled.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    return scaled.crop(scaled.getchannel("A").getbbox() or (0, 0, 1, 1))


def _shadow(product: Image.Image, rng: np.random.Generator) -> Levels:
    """Return the light that the product takes from its ground, (side, side) in [0, 1]."""
    side = product.width
    alpha = product.getchannel("A")
    kind = rng.random()
    if kind < 0.2:
        return np.zeros((side, side), np.float32)
    left, _, right, bottom = alpha.getbbox() or (0, 0, 1, 1)
    strength, soft = rng.uniform(0.1, 0.65), rng.uniform(0.008, 0.06) * side
    if kind < 0.45:
        cast = Image.new("L", (side, side))
        tall = rng.uniform(0.02, 0.1) * side
        inset = rng.uniform(0, 0.15) * (right - left)
        ImageDraw.Draw(cast).ellipse(
            (left + inset, bottom - tall, right - inset, bottom + tall / 2), fill=255
        )
    elif kind < 0.8:
        lean, flat = rng.uniform(-1, 1), rng.uniform(0.1, 0.5)
        coefficients = (1, lean, -lean * bottom, 0, 1 / flat, bottom - bottom / flat)
        cast = alpha.transform(
            (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
        )
    else:
        across, down = (round(part) for part in rng.normal(0, 0.04 * side, 2))
        cast = ImageChops.offset(alpha, across, abs(down))
    blurred = cast.filter(ImageFilter.GaussianBlur(soft))
    return np.asarray(blurred, np.float32) / 255 * strength


def _lighting(rng: np.random.Generator, side: int) -> Levels:
    """Light the product from one side."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    turn = rng.uniform(0, 2 * math.pi)
    slope = (math.cos(turn) * x + math.sin(turn) * y) * rng.uniform(0, 0.5)
    return np.clip(rng.uniform(0.85, 1.1) + slope, 0.5, 1.3)


def _developed(pixels: Levels, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Expose, tint, blur, add noise, and write a JPEG, as cameras and shops do."""
    side = len(pixels)
    balance = rng.normal(1, 0.035 if rng.random() < 0.6 else 0, 3)
    dim = 1 - rng.uniform(0, 0.2) * (rng.random() < 0.4) * smooth_noise(rng, side, (2, 2))
    exposed = pixels * (rng.uniform(0.75, 1.12) * balance * dim[..., None])
    if rng.random() < 0.6:
        exposed = exposed + rng.normal(0, rng.uniform(0.3, 5), exposed.shape)
    image = Image.fromarray(np.clip(exposed + 0.5, 0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.1)))
    if rng.random() < 0.7:
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(55, 97)))
        image = Image.open(buffer)
    return np.asarray(image)
