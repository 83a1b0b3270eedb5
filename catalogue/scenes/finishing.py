"""From a cut-out, a drawn background and a request to a scene, and what there is to say of it."""

from typing import Any

from catalogue.cutouts.delivered import ProductInside
from catalogue.cutouts.finishing import (
    FinishedCutout,
    placement_rule,
    product_not_found,
)
from catalogue.cutouts.model import Cutout, Rgb
from catalogue.cutouts.pasting import well_inside
from catalogue.cutouts.placement import NothingToPlaceError, place
from catalogue.scenes.blending import BlendSource, blend_source, put_back
from catalogue.scenes.composing import Composition, compose
from core.domain.photograph_spec import PhotographSpec

NOTHING_COMPARED = "The product is nowhere three pixels wide, so nothing proves its pixels."


def check_placeable(cutout: Cutout, photograph: PhotographSpec, *, width: int, height: int) -> None:
    """Check, before a background is drawn for it, that a product will stand in its scene.

    Raises:
        ProductNotFoundError: The cut-out is empty; the sentence says why.
        InvalidRequestError: There is no room for the product.
    """
    try:
        place(cutout.pixels[..., 3], placement_rule(photograph, width=width, height=height))
    except NothingToPlaceError as error:
        raise product_not_found(cutout) from error


def finish_scene(
    background: Rgb, cutout: Cutout, photograph: PhotographSpec, *, width: int, height: int
) -> FinishedCutout:
    """Put a cut-out product into its scene as a request wants it.

    Args:
        background: As the model drew it, (height, width, 3), of any size.
        cutout: The product.
        photograph: What is wanted of it.
        width: Of the canvas, in pixels.
        height: The same.

    Raises:
        ProductNotFoundError: The cut-out is empty; the sentence says why.
        ProductChangedError: The product is not in the picture as it was placed.
        InvalidRequestError: There is no room for the product.
    """
    rule = placement_rule(photograph, width=width, height=height)
    try:
        scene = compose(background, cutout, rule, shadow=photograph.shadow)
    except NothingToPlaceError as error:
        raise product_not_found(cutout) from error
    return _finished(cutout, scene)


def source_of_blend(
    background: Rgb,
    cutout: Cutout,
    photograph: PhotographSpec,
    *,
    width: int,
    height: int,
    cell: int,
) -> BlendSource:
    """Return what a model is given to draw around a product, which stands in its background.

    Args:
        background: As the model drew it, (height, width, 3), in whole cells.
        cutout: The product.
        photograph: What is wanted of it.
        width: Of the canvas, in pixels.
        height: The same.
        cell: Pixels for one latent, down and across.

    Raises:
        ProductNotFoundError: The cut-out is empty; the sentence says why.
        InvalidRequestError: There is no room for the product.
    """
    rule = placement_rule(photograph, width=width, height=height)
    size = (background.shape[1], background.shape[0])
    try:
        return blend_source(cutout, rule, size, fill=background, cell=cell)
    except NothingToPlaceError as error:
        raise product_not_found(cutout) from error


def finish_blend(
    drawn: Rgb,
    cutout: Cutout,
    photograph: PhotographSpec,
    *,
    width: int,
    height: int,
) -> FinishedCutout:
    """Put a cut-out product back into what a model drew around it.

    Args:
        drawn: By a row that began with `source_of_blend` of the same arguments.
        cutout: The product.
        photograph: What is wanted of it.
        width: Of the canvas, in pixels.
        height: The same.

    Raises:
        ProductNotFoundError: The cut-out is empty; the sentence says why.
        ProductChangedError: The product is not in the picture as it was placed, or grew.
        InvalidRequestError: There is no room for the product.
    """
    rule = placement_rule(photograph, width=width, height=height)
    try:
        scene = put_back(drawn, cutout, rule)
    except NothingToPlaceError as error:
        raise product_not_found(cutout) from error
    return _finished(cutout, scene)


def _finished(cutout: Cutout, scene: Composition) -> FinishedCutout:
    scene.fidelity.checked()
    inside = ProductInside(
        left=scene.spot.left, top=scene.spot.top, mask=well_inside(scene.product[..., 3] == 255)
    )
    return FinishedCutout(pixels=scene.pixels, quality=assess(cutout, scene), inside=inside)


def assess(cutout: Cutout, scene: Composition) -> dict[str, Any]:
    """Report how sure a cut-out is, and how far its product is the photograph's own."""
    fidelity = scene.fidelity
    unproven = () if fidelity.kept else (NOTHING_COMPARED,)
    return {
        "method": cutout.method.value,
        "confidence": round(cutout.confidence, 3),
        "needs_review": cutout.needs_review or bool(unproven),
        "reasons": [one.value for one in cutout.reasons],
        "scale": round(scene.spot.scale, 4),
        "box": list(scene.spot.box),
        "compared_pixels": fidelity.kept,
        "source_digest": fidelity.source_digest,
        "result_digest": fidelity.result_digest,
        "identical": fidelity.is_identical,
        "expansion": round(fidelity.expansion, 4),
        "notes": [*scene.notes, *unproven],
    }
