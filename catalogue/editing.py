"""A photograph that a model draws over: what the model is given, and what becomes of its picture.

Without a mask the photograph fills the model's size, cut at two sides, and the model's picture is
the image. With one the whole photograph is shown to the model, and what it draws goes back into the
photograph where the mask says so, at the photograph's own resolution; every other pixel is as it
was.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from catalogue.cutouts.cutting import MaskMismatchError
from catalogue.cutouts.delivered import ProductInside
from catalogue.cutouts.model import Alpha, Mask, Rgb, Rgba
from catalogue.cutouts.pasting import digest, paste
from catalogue.scenes.blending import LatentMask, latent_mask
from core.errors import InvalidImageError

DARK, LIGHT = 15, 240
"""Levels of a mask up to which it is dark, and from which on it is light: JPEG leaves noise."""

FLATTENED = "The photograph is transparent in places, which were laid on white."


class UselessMaskError(InvalidImageError):
    """The mask shows nothing. Make it light where the photograph may be drawn anew."""

    code = "mask_useless"


@dataclass(frozen=True, kw_only=True, eq=False)
class EditSource:
    """What a row draws over, and what its picture is put back into."""

    pixels: Rgb
    """(height, width, 3), at the model's size."""
    mask: LatentMask | None
    """Which latents the row may change; None: all."""
    notes: tuple[str, ...]
    photograph: Rgb = field(repr=False)
    """Upright, at its own size."""
    alpha: Alpha | None = field(repr=False)
    """How much of it is drawn anew, of its size; None: it is not kept."""
    box: tuple[int, int, int, int]
    """Where the photograph is in `pixels`: left, top, right and bottom."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Edited:
    """An edited photograph."""

    pixels: Rgb
    quality: dict[str, Any]
    """What is known of it, as JSON."""
    inside: ProductInside | None
    """Which of its pixels must be the photograph's own; None: none."""


def edit_source(
    photograph: Rgba, mask: Alpha | None, size: tuple[int, int], *, cell: int
) -> EditSource:
    """Bring a photograph to the size at which a model draws over it.

    Args:
        photograph: sRGB, of any size.
        mask: Light where it may be drawn anew, of its size; None: everywhere.
        size: Width and height at which the model draws, in whole cells.
        cell: Pixels for one latent, down and across.

    Raises:
        MaskMismatchError: The mask has another size.
        UselessMaskError: The mask is dark everywhere, or light everywhere.
    """
    rgb, notes = _on_white(photograph)
    picture = Image.fromarray(rgb)
    if mask is None:
        fitted = np.asarray(ImageOps.fit(picture, size, Image.Resampling.LANCZOS))
        return EditSource(
            pixels=fitted, mask=None, notes=notes, photograph=rgb, alpha=None, box=(0, 0, *size)
        )
    alpha = _checked(mask, rgb.shape)
    box = _contained(picture.size, size)
    inner = (box[2] - box[0], box[3] - box[1])
    around = ((box[1], size[1] - box[3]), (box[0], size[0] - box[2]))
    small = np.asarray(picture.resize(inner, Image.Resampling.LANCZOS))
    return EditSource(
        # Beyond the photograph its edges go on, so that no bar is drawn on.
        pixels=np.pad(small, (*around, (0, 0)), mode="edge"),
        mask=latent_mask(np.pad(_touched(alpha, inner), around), cell),
        notes=notes,
        photograph=rgb,
        alpha=alpha,
        box=box,
    )


def finish_edit(drawn: Rgb, source: EditSource) -> Edited:
    """Return the image of what a model drew over a photograph.

    Args:
        drawn: At the model's size.
        source: What its row began with.
    """
    if source.alpha is None:
        return Edited(pixels=drawn, quality=_quality(source), inside=None)
    height, width = source.alpha.shape
    whole = Image.fromarray(drawn).crop(source.box)
    new = np.asarray(whole.resize((width, height), Image.Resampling.LANCZOS))
    pixels = source.photograph.copy()
    paste(np.dstack([new, source.alpha]), pixels)
    kept = source.alpha == 0
    proof = {
        "compared_pixels": int(np.count_nonzero(kept)),
        "source_digest": digest(source.photograph, kept),
        "result_digest": digest(pixels, kept),
    }
    proof["identical"] = proof["source_digest"] == proof["result_digest"]
    return Edited(
        pixels=pixels,
        quality=_quality(source) | proof,
        inside=ProductInside(left=0, top=0, mask=kept),
    )


def _quality(source: EditSource) -> dict[str, Any]:
    return {"needs_review": False, "reasons": [], "notes": list(source.notes)}


def _on_white(photograph: Rgba) -> tuple[Rgb, tuple[str, ...]]:
    rgb = np.ascontiguousarray(photograph[..., :3])
    if photograph[..., 3].min() == 255:
        return rgb, ()
    white = np.full_like(rgb, 255)
    paste(photograph, white)
    return white, (FLATTENED,)


def _checked(mask: Alpha, shape: tuple[int, ...]) -> Alpha:
    height, width = shape[:2]
    if mask.shape != (height, width):
        raise MaskMismatchError(
            f"The mask has {mask.shape[1]} × {mask.shape[0]} pixels and its photograph "
            f"{width} × {height}. Send one of the same size."
        )
    alpha = np.where(mask <= DARK, 0, np.where(mask >= LIGHT, 255, mask)).astype(np.uint8)
    if not alpha.any():
        raise UselessMaskError(
            "The mask is dark everywhere, so nothing would be drawn. Make it light where the "
            "photograph may be drawn anew."
        )
    if alpha.min() == 255:
        raise UselessMaskError(
            "The mask is light everywhere, so nothing of the photograph would be kept. Leave it "
            "out, or make it dark where the photograph shall stay."
        )
    return alpha


def _contained(picture: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box of a whole picture in the middle of a size, as large as it can be."""
    scale = min(size[0] / picture[0], size[1] / picture[1])
    wide, tall = (max(1, round(side * scale)) for side in picture)
    left, top = (size[0] - wide) // 2, (size[1] - tall) // 2
    return left, top, left + wide, top + tall


def _touched(alpha: Alpha, size: tuple[int, int]) -> Mask:
    """Return which pixels of a size have any that may be drawn anew, (height, width)."""
    any_of = Image.fromarray((alpha > 0).astype(np.float32))
    share: npt.NDArray[np.float32] = np.asarray(any_of.resize(size, Image.Resampling.BOX))
    return np.asarray(share > 0)
