"""From a cut-out and a request to the finished picture, and what there is to say of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogue.cutouts.composing import Placed, compose
from catalogue.cutouts.delivered import ProductInside
from catalogue.cutouts.model import Cutout, Reason
from catalogue.cutouts.placement import NothingToPlaceError
from catalogue.placement_rule import PlacementRule
from core.domain.photograph_spec import TRANSPARENT, PhotographSpec
from core.errors import InvalidImageError

EXPLAINED = {
    Reason.NOTHING_FOUND: "nothing differs from its background",
    Reason.TOUCHES_FRAME: "the product touches the edge of the photograph",
    Reason.SEVERAL_PARTS: "there are several things in it",
    Reason.HOLES: "the background shows through the product",
    Reason.FAINT_EDGE: "the product can hardly be told from its background",
    Reason.NETWORK_DISAGREES: "the network finds something else",
    Reason.NETWORK_UNSURE: "the network is not sure",
    Reason.BACKDROP_NOT_PLAIN: "the background is not plain",
}
"""Why somebody should look at a cut-out, as a shop owner reads it."""


class ProductNotFoundError(InvalidImageError):
    """No product can be told from its background. Send a photograph with a plain background."""

    code = "product_not_found"


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedCutout:
    """A picture of a product without its background."""

    pixels: npt.NDArray[np.uint8]
    """(height, width, 3), or 4 channels on a transparent ground; sRGB."""
    quality: dict[str, Any]
    """What is known of it, as JSON."""
    inside: ProductInside | None = None
    """Which of its pixels must be the product's own; None: it has other proofs."""


def finish_cutout(
    cutout: Cutout, photograph: PhotographSpec, *, width: int, height: int
) -> FinishedCutout:
    """Show a cut-out product as a request wants it.

    Args:
        cutout: The product.
        photograph: What is wanted of it.
        width: Of the canvas, in pixels.
        height: The same.

    Raises:
        ProductNotFoundError: The cut-out is empty; the sentence says why.
        InvalidRequestError: There is no room for the product.
    """
    try:
        placed = compose(
            cutout,
            placement_rule(photograph, width=width, height=height),
            background=colour_of(photograph.background),
            shadow=photograph.shadow,
        )
    except NothingToPlaceError as error:
        raise product_not_found(cutout) from error
    inside = ProductInside(left=placed.spot.left, top=placed.spot.top, mask=placed.inside)
    return FinishedCutout(pixels=placed.pixels, quality=assess(cutout, placed), inside=inside)


def product_not_found(cutout: Cutout) -> ProductNotFoundError:
    """Return what is raised where a cut-out is empty, with the reason."""
    return ProductNotFoundError(
        f"No product can be told from its background: {explain(cutout.reasons)}. Send a "
        "photograph with a plain background, or one that is cut out already."
    )


def placement_rule(photograph: PhotographSpec, *, width: int, height: int) -> PlacementRule:
    """Return where a request wants its product.

    Raises:
        InvalidRequestError: There is no room for one.
    """
    return PlacementRule(
        width=width,
        height=height,
        fill=photograph.fill,
        margin=photograph.margin,
        anchor=photograph.anchor,
        ground_line=photograph.ground_line,
        enlarge=photograph.enlarge,
    )


def colour_of(background: str) -> tuple[int, int, int] | None:
    """Return the levels of `#rrggbb`; None: transparent."""
    if background == TRANSPARENT:
        return None
    red, green, blue = bytes.fromhex(background.removeprefix("#"))
    return red, green, blue


def assess(cutout: Cutout, placed: Placed) -> dict[str, Any]:
    """Report how sure a cut-out is, and whether its product has its photograph's own pixels."""
    return {
        "method": cutout.method.value,
        "confidence": round(cutout.confidence, 3),
        "needs_review": cutout.needs_review,
        "reasons": [one.value for one in cutout.reasons],
        "scale": round(placed.spot.scale, 4),
        "box": list(placed.spot.box),
        "compared_pixels": placed.kept,
        "source_digest": placed.source_digest,
        "result_digest": placed.result_digest,
        "identical": placed.is_identical,
        "notes": list(placed.notes),
    }


def explain(reasons: tuple[Reason, ...]) -> str:
    """Write reasons as a part of a sentence."""
    return " and ".join(EXPLAINED[one] for one in reasons) or "it is empty"
