"""Photographs as shops have them, as pixels that everything after can rely on: upright, in sRGB.

Whatever camera, scanner or program wrote the file: its rotation is applied, its colour profile is
converted, inks, palettes, greys and 16 bits become RGBA. What cannot be used is refused before it
costs memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from core.pictures.colour import to_srgb
from core.pictures.photograph_errors import (
    AnimatedPhotographError,
    OversizedPhotographError,
    TinyPhotographError,
    TransparentPhotographError,
    TruncatedPhotographError,
    UnreadablePhotographError,
)

Rgba = npt.NDArray[np.uint8]
"""(height, width, 4), sRGB, alpha not premultiplied."""

MOST_BYTES = 64 * 2**20
MOST_PIXELS = 64 * 10**6
LEAST_SIDE = 16
"""Pixels of the shorter side."""
READ = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
"""Formats that are read, by Pillow's names. Among JPEG is MPO, the one of telephones, which carries
a second picture (depth, brightness) behind the first."""
_MOVING = frozenset({"PNG", "WEBP", "AVIF", "GIF"})
"""Formats whose further pictures are frames; those of TIFF are pages, those of MPO are extras."""
_VISIBLE = 8
"""Alpha, of 255, below which nobody sees a pixel."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photograph:
    """A photograph that was read."""

    pixels: Rgba
    notes: tuple[str, ...] = ()
    """Sentences on what its owner should know, such as a colour profile that was ignored."""

    @property
    def has_alpha(self) -> bool:
        """Whether any of it is transparent."""
        return bool(self.pixels[..., 3].min() < 255)


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


def check_header(opened: Image.Image, most_pixels: int) -> None:
    """Refuse by what a file says of itself; nothing of it is decoded.

    Raises:
        OversizedPhotographError: It has too many pixels.
        TinyPhotographError: It has too few.
        AnimatedPhotographError: It has several frames.
    """
    width, height = opened.size
    if width * height > most_pixels:
        raise OversizedPhotographError(
            f"The photograph has {width} × {height} pixels, and {most_pixels / 1e6:g} megapixels "
            "are the most. Make it smaller."
        )
    if min(width, height) < LEAST_SIDE:
        raise TinyPhotographError(
            f"The photograph has {width} × {height} pixels, and {LEAST_SIDE} are the least of a "
            "side. Send a larger one."
        )
    # Not how many there are: a file of some megabytes may have millions.
    if opened.format in _MOVING and getattr(opened, "is_animated", False):
        raise AnimatedPhotographError


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


@contextmanager
def explained() -> Iterator[None]:
    """Turn whatever Pillow's readers raise into an error of ours."""
    ours = (
        AnimatedPhotographError,
        OversizedPhotographError,
        TinyPhotographError,
        UnreadablePhotographError,
    )
    try:
        yield
    except (*ours, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise OversizedPhotographError from error
    except UnidentifiedImageError as error:
        raise UnreadablePhotographError from error
    except Exception as error:
        if any(
            word in str(error).lower() for word in ("truncated", "unexpected end", "not enough")
        ):
            raise TruncatedPhotographError from error
        raise UnreadablePhotographError(
            "The file is damaged, or of a kind that is not read. Save it again as PNG or JPEG."
        ) from error
