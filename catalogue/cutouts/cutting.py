"""A product cut out by what there is: a mask, transparency, a plain backdrop, a network."""

import numpy as np

from catalogue.cutouts.anywhere import cut_by_network
from catalogue.cutouts.judging import agreement, judge
from catalogue.cutouts.model import Alpha, Cutout, Method, Reason, Rgb, Rgba
from catalogue.cutouts.plain import PlainCutout, cut_from_backdrop
from catalogue.cutouts.segmentation import Segmenter
from core.errors import InvalidImageError

LEAST_TRANSPARENT = 0.01
"""Share of a photograph's pixels that are transparent where somebody cut it out."""


class MaskMismatchError(InvalidImageError):
    """The mask has another size than its photograph. Send one of the same size."""

    code = "mask_mismatch"


def cut_out(pixels: Rgba, *, mask: Alpha | None = None, network: Segmenter | None = None) -> Cutout:
    """Cut a product out.

    A mask that came along is believed before the file's own transparency, and that before a plain
    backdrop. A network cuts what stands before anything else; before a plain backdrop it is asked
    for its opinion, and where it finds something else a person should look.

    Args:
        pixels: The photograph, sRGB.
        mask: 255 where the product is; of the photograph's size.
        network: What finds products before anything; None: what stands before no plain backdrop
            comes back as `backdrop_not_plain`, empty.

    Raises:
        MaskMismatchError: The mask has another size.
    """
    if mask is not None:
        if mask.shape != pixels.shape[:2]:
            raise MaskMismatchError(
                f"The mask has {mask.shape[1]} × {mask.shape[0]} pixels and its photograph "
                f"{pixels.shape[1]} × {pixels.shape[0]}. Send one of the same size."
            )
        return _supplied(pixels, np.minimum(mask, pixels[..., 3]), Method.MASK)
    if np.mean(pixels[..., 3] < 128) >= LEAST_TRANSPARENT:
        return _supplied(pixels, pixels[..., 3], Method.ALPHA)
    rgb = pixels[..., :3]
    plain = cut_from_backdrop(rgb)
    if network is None:
        return _empty(pixels) if plain is None else _before_backdrop(plain)
    seen = network.segment(rgb)
    return _by_network(rgb, seen) if plain is None else _before_backdrop(plain, seen)


def _before_backdrop(plain: PlainCutout, seen: Alpha | None = None) -> Cutout:
    """Judge what differs from a plain backdrop, beside what a network sees."""
    confidence, reasons = judge(
        plain.product,
        holes=plain.holes,
        faint=plain.faint,
        agreement=1.0 if seen is None else agreement(plain.product, seen),
    )
    return Cutout(
        pixels=plain.pixels,
        method=Method.BACKDROP,
        confidence=confidence,
        reasons=reasons,
        shadow=plain.shadow,
    )


def _by_network(pixels: Rgb, seen: Alpha) -> Cutout:
    found = cut_by_network(pixels, seen)
    confidence, reasons = judge(found.product, unsure=found.unsure)
    return Cutout(
        pixels=found.pixels, method=Method.NETWORK, confidence=confidence, reasons=reasons
    )


def _empty(pixels: Rgba) -> Cutout:
    return Cutout(
        pixels=np.zeros_like(pixels),
        method=Method.BACKDROP,
        confidence=0.0,
        reasons=(Reason.BACKDROP_NOT_PLAIN,),
    )


def _supplied(pixels: Rgba, alpha: Alpha, method: Method) -> Cutout:
    """Take alpha from somebody who knows; colours stay as they are."""
    found = np.dstack([np.where(alpha[..., None] > 0, pixels[..., :3], 0), alpha])
    confidence, reasons = judge(alpha >= 128, soft=_softness(alpha))
    return Cutout(pixels=found, method=method, confidence=confidence, reasons=reasons)


def _softness(alpha: Alpha) -> float:
    """Return the share of what is there that is neither product nor background."""
    there = alpha > 12
    return float((there & (alpha < 243)).sum() / max(1, int(there.sum())))
