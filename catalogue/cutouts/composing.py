"""A cut-out on its canvas: placed by rule, on a colour or on nothing, with a shadow or without."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalogue.cutouts.model import Cutout, Light, Mask, Rgba
from catalogue.cutouts.pasting import digest, paste, well_inside
from catalogue.cutouts.placement import PlacementRule, Spot, place
from catalogue.cutouts.resampling import resample
from catalogue.cutouts.shadows import Shadow, contact, moved

WHITE = (255, 255, 255)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """A product on its canvas."""

    pixels: npt.NDArray[np.uint8]
    """(height, width, 3), or with 4 channels on a transparent ground; sRGB."""
    spot: Spot
    source_digest: str
    """SHA-256, in hex, of the product's pixels before they were placed (of the photograph's own
    where nothing was resampled): RGB, row by row, where all eight neighbours are whole product."""
    result_digest: str
    """The same of the canvas."""
    inside: Mask
    """Where both are of, in the spot's box: (height, width)."""
    notes: tuple[str, ...]

    @property
    def kept(self) -> int:
        """Return the number of pixels that both digests are of."""
        return int(np.count_nonzero(self.inside))

    @property
    def is_identical(self) -> bool:
        """Whether the product's inside is what it was."""
        return self.source_digest == self.result_digest


def compose(
    cutout: Cutout,
    rule: PlacementRule,
    *,
    background: tuple[int, int, int] | None = WHITE,
    shadow: Shadow = Shadow.NONE,
) -> Placed:
    """Place a product on a canvas.

    Args:
        cutout: The product.
        rule: Where, and how large.
        background: sRGB; None: transparent.
        shadow: What it stands with.

    Raises:
        NothingToPlaceError: The cut-out is empty.
    """
    spot = place(cutout.pixels[..., 3], rule)
    left, top, right, bottom = spot.source
    product = cutout.pixels[top:bottom, left:right]
    if spot.resampled:
        product = resample(product, spot.size)
    canvas = (rule.width, rule.height)
    light, notes = _light(cutout, product, spot, shadow, canvas)
    pixels = _ground(light, background, canvas)
    window = pixels[spot.top : spot.top + spot.size[1], spot.left : spot.left + spot.size[0]]
    paste(product, window)
    inside = well_inside(product[..., 3] == 255)
    return Placed(
        pixels=pixels,
        spot=spot,
        source_digest=digest(product, inside),
        result_digest=digest(window, inside),
        inside=inside,
        notes=spot.notes + notes,
    )


def _light(
    cutout: Cutout, product: Rgba, spot: Spot, shadow: Shadow, canvas: tuple[int, int]
) -> tuple[Light | None, tuple[str, ...]]:
    """Return the light on the ground; None: all of it."""
    if shadow is Shadow.OWN and cutout.shadow is not None:
        return moved(cutout.shadow, spot, canvas), ()
    if shadow is Shadow.NONE:
        return None, ()
    notes = (
        ("The photograph's own shadow is not known, so it has a contact shadow.",)
        if shadow is Shadow.OWN
        else ()
    )
    return contact(product[..., 3], spot, canvas), notes


def _ground(
    light: Light | None, background: tuple[int, int, int] | None, canvas: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Make a canvas: of a colour in the light there is, or of black that covers what is dark."""
    width, height = canvas
    if background is None:
        ground = np.zeros((height, width, 4), np.uint8)
        if light is not None:
            ground[..., 3] = 255 - light
        return ground
    row = np.tile(np.asarray(background, np.uint8), width)
    ground = np.tile(row, height).reshape(height, width, 3)
    if light is not None:
        dark = light < 255
        share = light[dark].astype(np.uint32)[:, None]
        ground[dark] = (np.asarray(background, np.uint32) * share + 127) // 255
    return ground
