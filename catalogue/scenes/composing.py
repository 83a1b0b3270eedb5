"""A cut-out product in a background that was generated without it.

The background is made larger, and its tones are brought nearer to the product's; the product is
pasted at its own resolution and is not computed with (docs/decisions/0049).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from catalogue.cutouts.model import Alpha, Cutout, Light, Rgb, Rgba
from catalogue.cutouts.pasting import paste
from catalogue.cutouts.placement import Anchor, PlacementRule, Spot, place
from catalogue.cutouts.resampling import resample
from catalogue.cutouts.shadows import Shadow, moved
from catalogue.placement_rule import SCENE_FILL, SCENE_GROUND_LINE
from catalogue.scenes.edges import with_own_colours
from catalogue.scenes.enlarging import enlarged
from catalogue.scenes.fidelity import Fidelity, compare, identity
from catalogue.scenes.harmony import harmonised
from catalogue.scenes.horizon import choose_window
from catalogue.scenes.shadows import darken, off_the_wall, on_ground


@dataclass(frozen=True, kw_only=True, eq=False)
class Composition:
    """A product in its scene."""

    pixels: Rgb
    """(height, width, 3), at the canvas's size."""
    mask: Alpha
    """The product's alpha on the canvas, (height, width)."""
    product: Rgba
    """As it was placed, (height, width, 4) of its spot."""
    spot: Spot
    fidelity: Fidelity
    notes: tuple[str, ...]
    """What a person should know, as sentences."""


def scene_rule(width: int, height: int) -> PlacementRule:
    """Return how products stand in scenes if nobody says: on the ground, with room around."""
    return PlacementRule(
        width=width,
        height=height,
        fill=SCENE_FILL,
        anchor=Anchor.GROUND,
        ground_line=SCENE_GROUND_LINE,
    )


def compose(
    background: Rgb,
    product: Cutout,
    rule: PlacementRule,
    *,
    shadow: Shadow = Shadow.CONTACT,
    harmonise: bool = True,
) -> Composition:
    """Put a product into a scene; the same arguments give the same pixels.

    Args:
        background: As it was generated, of any size and shape; it is not changed.
        product: The product.
        rule: The canvas, and where on it the product stands.
        shadow: What it stands with; its photograph's own falls on the scene's ground.
        harmonise: Whether the background's tones may be brought nearer to the product's.

    Raises:
        NothingToPlaceError: The cut-out is empty.
    """
    spot = place(product.pixels[..., 3], rule)
    placed = placed_product(product, spot)
    foot = (spot.top + spot.size[1]) / rule.height
    size = (rule.width, rule.height)
    scene = harmonised(background, placed) if harmonise else background
    window = choose_window(background, size, foot)
    canvas = enlarged(scene, window, size)
    light, notes = _light(product, placed, spot, shadow, canvas)
    if light is not None and window.ground is not None:
        light = off_the_wall(light, window.ground)
    if light is not None:
        darken(canvas, light)
    return pasted(canvas, placed, replace(spot, notes=spot.notes + notes))


def placed_product(product: Cutout, spot: Spot) -> Rgba:
    """Return a product's pixels as they go onto the canvas, (height, width, 4) of its spot."""
    pixels = with_own_colours(product, spot.source)
    return resample(pixels, spot.size) if spot.resampled else pixels


def pasted(
    canvas: Rgb,
    placed: Rgba,
    spot: Spot,
    *,
    expansion_of: Callable[[Rgb, Alpha], float] | None = None,
) -> Composition:
    """Paste a placed product onto a canvas, which becomes the composition's pixels.

    Args:
        canvas: What is there without it; it is changed.
        placed: The product, as `placed_product` gives it.
        spot: Where it goes.
        expansion_of: Measures the product's expansion in the picture, by its mask; None: by what
            differs from the canvas.
    """
    left, top = spot.left, spot.top
    window = canvas[top : top + spot.size[1], left : left + spot.size[0]]
    ground = window.copy()
    paste(placed, window)
    mask = np.zeros(canvas.shape[:2], np.uint8)
    mask[top : top + spot.size[1], left : left + spot.size[0]] = placed[..., 3]
    fidelity = (
        compare(placed, window, ground=ground)
        if expansion_of is None
        else identity(placed, window, expansion=expansion_of(canvas, mask))
    )
    return Composition(
        pixels=canvas,
        mask=mask,
        product=placed,
        spot=spot,
        fidelity=fidelity,
        notes=spot.notes,
    )


def _light(
    product: Cutout, placed: Rgba, spot: Spot, shadow: Shadow, canvas: Rgb
) -> tuple[Light | None, tuple[str, ...]]:
    """Return the light on the scene's ground; None: all of it."""
    if shadow is Shadow.NONE:
        return None, ()
    if shadow is Shadow.OWN and product.shadow is not None:
        return moved(product.shadow, spot, (canvas.shape[1], canvas.shape[0])), ()
    notes = (
        ("The photograph's own shadow is not known, so it has a contact shadow.",)
        if shadow is Shadow.OWN
        else ()
    )
    return on_ground(placed[..., 3], spot, canvas), notes
