"""Draws one product picture: the starter model's training data, made by code alone."""

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from starter.data.attributes import Product
from starter.data.pen import OVERSAMPLING, SIZE, Finish, Part, Pen, Placement
from starter.data.scenery import PAINTS, PRINTS, Pixels, paint, paint_background, pattern_mask
from starter.data.shapes import SHAPES

Mask = npt.NDArray[np.float32]

_FIXED_PAINTS: dict[Finish, tuple[int, int, int]] = {
    Finish.LIGHT: (248, 246, 238),
    Finish.DARK: (44, 46, 52),
    Finish.METAL: (150, 142, 132),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What differs between two pictures of the same product."""

    placement: Placement
    light: float
    """Brightness of the scene, about 1."""
    highlight: float
    """Where across the frame the product is brightest, 0 (left) to 1 (right)."""

    @classmethod
    def sample(cls, rng: random.Random) -> "Look":
        """Draw lots for a small jitter in scale, proportion, position and light."""
        scale = rng.uniform(0.93, 1.0)
        return cls(
            placement=Placement(
                width=scale * rng.uniform(0.97, 1.03),
                height=scale * rng.uniform(0.97, 1.03),
                right=rng.uniform(-0.02, 0.02),
                down=rng.uniform(-0.015, 0.015),
            ),
            light=rng.uniform(0.97, 1.02),
            highlight=rng.uniform(0.33, 0.43),
        )


def draw(product: Product, rng: random.Random) -> Image.Image:
    """Draw an RGB picture of SIZE x SIZE pixels; the same product and generator state repeat it."""
    look = Look.sample(rng)
    pen = Pen(look.placement)
    SHAPES[product.kind](pen)
    print_mask = pattern_mask(product.pattern, look.placement)
    canvas = paint_background(product.background, look.light)
    _cast_shadow(canvas, look.placement)
    shade = _shading(look, _silhouette(pen.parts))
    for part in pen.parts:
        _paint(canvas, part, product, print_mask, shade)
    return Image.fromarray(np.clip(canvas + 0.5, 0, 255).astype(np.uint8))


def _paint(
    canvas: Pixels, part: Part, product: Product, print_mask: Image.Image | None, shade: Mask
) -> None:
    body = paint(*PAINTS[product.colour])
    match part.finish:
        case Finish.BODY | Finish.PLAIN:
            colour = body
        case Finish.DEEP:
            # Black has no darker shade that shows, so its openings and seams turn lighter.
            colour = body * 0.55 if body.max() > 60 else body + 34
        case _:
            colour = paint(*_FIXED_PAINTS[part.finish])
    _blend(canvas, colour * shade[..., None], _average(part.mask))
    if part.finish is Finish.BODY and print_mask is not None:
        printed = ImageChops.multiply(part.mask, print_mask)
        _blend(canvas, paint(*PRINTS[product.colour]) * shade[..., None], _average(printed))


def _blend(canvas: Pixels, colour: Pixels, mask: Mask) -> None:
    canvas += (colour - canvas) * mask[..., None]


def _average(mask: Image.Image) -> Mask:
    """Average an oversampled "L" mask to coverage, (SIZE, SIZE) float32 in [0, 1]."""
    return np.asarray(mask.reduce(OVERSAMPLING), np.float32) / np.float32(255)


def _silhouette(parts: list[Part]) -> Image.Image:
    whole = parts[0].mask
    for part in parts[1:]:
        whole = ImageChops.lighter(whole, part.mask)
    return whole.reduce(OVERSAMPLING)


def _shading(look: Look, silhouette: Image.Image) -> Mask:
    """Light the product: a broad highlight, and rims that darken (white on white shows)."""
    across = np.linspace(0, 1, SIZE, dtype=np.float32)[None, :]
    broad = 1.05 - 0.75 * (across - look.highlight) ** 2
    blurred = silhouette.filter(ImageFilter.GaussianBlur(2.5))
    rim = np.asarray(silhouette, np.float32) - np.asarray(blurred, np.float32)
    return np.asarray(look.light * broad * (1 - 0.45 * np.clip(rim, 0, 255) / 255), np.float32)


def _cast_shadow(canvas: Pixels, placement: Placement) -> None:
    """Darken a soft contact shadow, which fades out before it reaches the frame."""
    x, y = placement.apply((0.5, 0.865))
    columns = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE
    across = (columns[None, :] - x) / (0.36 * placement.width)
    down = (columns[:, None] - y) / 0.05
    strength = 0.38 * np.clip(1 - across**2 - down**2, 0, 1)
    canvas *= (1 - strength)[..., None]
