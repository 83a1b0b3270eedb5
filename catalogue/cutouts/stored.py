"""Cut-outs as bytes, so that a photograph is cut out once however many images are made of it.

A ZIP of pictures without loss, whose own checksums tell damaged ones; what it costs is a tenth of
cutting out.
"""

import json
import zipfile
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from catalogue.cutouts.model import Cutout, Method, Reason

_PRODUCT, _SHADOW, _ABOUT = "product.png", "shadow.png", "cutout.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredCutout:
    """A cut-out, and what is to be known of its photograph without reading that again."""

    cutout: Cutout
    source_type: str | None = None
    """The digital source type that the photograph's file says of itself; None: it says none."""
    notes: tuple[str, ...] = ()
    """Sentences on what the photograph's owner should know."""


class UnreadableCutoutError(Exception):
    """A stored cut-out is damaged, or of another version: cut out anew."""


def write_cutout(stored: StoredCutout) -> bytes:
    """Write a cut-out."""
    cutout = stored.cutout
    about = {
        "method": cutout.method.value,
        "confidence": cutout.confidence,
        "reasons": [one.value for one in cutout.reasons],
        "source_type": stored.source_type,
        "notes": stored.notes,
    }
    buffer = BytesIO()
    # Pictures are compressed themselves.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_ABOUT, json.dumps(about))
        archive.writestr(_PRODUCT, _png(Image.fromarray(cutout.pixels)))
        if cutout.shadow is not None:
            archive.writestr(_SHADOW, _png(Image.fromarray(cutout.shadow)))
    return buffer.getvalue()


def read_cutout(body: bytes) -> StoredCutout:
    """Read what `write_cutout` wrote.

    Raises:
        UnreadableCutoutError: It is damaged.
    """
    try:
        with zipfile.ZipFile(BytesIO(body)) as archive:
            about = json.loads(archive.read(_ABOUT))
            shadow = archive.read(_SHADOW) if _SHADOW in archive.namelist() else None
            cutout = Cutout(
                pixels=_pixels(archive.read(_PRODUCT)),
                method=Method(about["method"]),
                confidence=float(about["confidence"]),
                reasons=tuple(map(Reason, about["reasons"])),
                shadow=None if shadow is None else _pixels(shadow),
            )
            return StoredCutout(
                cutout=cutout, source_type=about["source_type"], notes=tuple(about["notes"])
            )
    except Exception as error:  # whatever damaged bytes do to ZIP, JSON and PNG
        raise UnreadableCutoutError(str(error)) from error


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _pixels(body: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    with Image.open(BytesIO(body), formats=["PNG"]) as opened:
        return np.asarray(opened)
