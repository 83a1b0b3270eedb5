"""Photographs as shops have them, as pixels that everything after can rely on: upright, in sRGB.

Whatever camera, scanner or program wrote the file: its rotation is applied, its colour profile is
converted, inks, palettes, greys and 16 bits become RGBA. What cannot be used is refused before it
costs memory.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from core.pictures.colour import to_srgb
from core.pictures.headers import MOST_PIXELS, READ, check_header, explained
from core.pictures.photograph_errors import (
    OversizedPhotographError,
    TransparentPhotographError,
)

Rgba = npt.NDArray[np.uint8]
"""(height, width, 4), sRGB, alpha not premultiplied."""

MOST_BYTES = 64 * 2**20
_VISIBLE = 8
"""Alpha, of 255, below which nobody sees a pixel."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photograph:
    """A photograph that was read."""

    pixels: Rgba
    notes: tuple[str, ...] = ()
    """Sentences on what its owner should know, such as a colour profile that was ignored."""


def read_photograph(
    body: bytes, *, most_bytes: int = MOST_BYTES, most_pixels: int = MOST_PIXELS
) -> Photograph:
    """Read a photograph whole.

    Args:
        body: The file.
        most_bytes: Larger files are refused.
        most_pixels: Larger pictures are refused by their header, before anything is decoded.

    Raises:
        UnreadablePhotographError: It is no image of a format that is read, or a damaged one.
        TruncatedPhotographError: Its end is missing.
        OversizedPhotographError: It has too many bytes or pixels.
        TinyPhotographError: It has too few pixels.
        AnimatedPhotographError: It has several frames.
        TransparentPhotographError: Nothing of it can be seen.
    """
    if len(body) > most_bytes:
        raise OversizedPhotographError(
            f"The file has {len(body) / 2**20:.1f} MiB, and {most_bytes / 2**20:g} MiB are the "
            "most. Make it smaller."
        )
    notes: list[str] = []
    with explained(), Image.open(BytesIO(body), formats=READ) as opened:
        check_header(opened, most_pixels)
        if getattr(opened, "n_frames", 1) > 1 and opened.format == "TIFF":
            notes.append("The file has several pages; the first one was taken.")
        opened.load()
        picture = to_srgb(_upright(opened, notes), opened.info.get("icc_profile"), notes)
    pixels = np.asarray(picture)
    if pixels[..., 3].max() < _VISIBLE:
        raise TransparentPhotographError
    return Photograph(pixels=pixels, notes=tuple(notes))


def read_small(body: bytes, side: int) -> Image.Image:
    """Read a photograph for a glance: as `read_photograph`, but not as exactly.

    Args:
        body: The file.
        side: Pixels of the longer side, at most.

    Returns:
        Mode RGBA, in sRGB.

    Raises:
        As `read_photograph`, but for a file of too many bytes.
    """
    with explained(), Image.open(BytesIO(body), formats=READ) as opened:
        check_header(opened, MOST_PIXELS)
        # Of a JPEG no more pixels are decoded than that takes.
        opened.draft(None, (2 * side, 2 * side))
        picture = to_srgb(_upright(opened, []), opened.info.get("icc_profile"), [])
    picture.thumbnail((side, side))
    return picture


def _upright(opened: Image.Image, notes: list[str]) -> Image.Image:
    """Turn a picture as its camera was held."""
    try:
        return ImageOps.exif_transpose(opened)
    except MemoryError:
        raise
    except Exception:
        # Cameras and programs write EXIF that its own standard forbids; the pixels are good.
        notes.append("The file's EXIF data is damaged, so its rotation was not applied.")
        return opened
