"""Image files from outside: opened only when they are honest and of a size that memory has.

A file of some kilobytes can claim any number of pixels. Its header is read first, by the readers
of a few formats only, and nothing is decoded before the size is known to be bounded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, ImageOps

from core.errors import InvalidImageError, first_line

MOST_PIXELS = 64 * 10**6
"""Of one image: what Google's Merchant Center takes. Reading one takes up to 9 bytes a pixel, as
where it is transparent: its RGBA, its mask, and what is given (Pillow keeps RGB in four bytes)."""

READ = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
"""Formats that are read, by Pillow's names."""


def open_rgb(source: Path | bytes, *, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """Read an image whole: RGB, turned as its camera was held, and white where it is transparent.

    Of a file with several frames or pages this is the first.

    Args:
        source: A file, or its bytes.
        most_pixels: Larger ones are refused before anything is decoded.

    Raises:
        InvalidImageError: It is no image that can be read, a damaged one, or too large.
        OSError: The file itself cannot be opened: it is missing, or not ours to read.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return _read(stream, most_pixels)
    return _read(BytesIO(source), most_pixels)


def open_alpha(body: bytes, *, most_pixels: int = MOST_PIXELS) -> Image.Image | None:
    """Read an image's transparency, turned as its camera was held; None: it has none.

    Returns:
        Mode L.

    Raises:
        InvalidImageError: As of `open_rgb`.
    """
    with _explained(), Image.open(BytesIO(body), formats=READ) as opened:
        if not opened.has_transparency_data:
            return None
        _check_size(opened, most_pixels)
        ImageOps.exif_transpose(opened, in_place=True)
        return opened.convert("RGBA").getchannel("A")


def _read(stream: IO[bytes], most_pixels: int) -> Image.Image:
    with _explained(), Image.open(stream, formats=READ) as opened:
        _check_size(opened, most_pixels)
        # In place, and converted only where it must be: each copy is four bytes a pixel.
        ImageOps.exif_transpose(opened, in_place=True)
        if not opened.has_transparency_data:
            return opened.convert("RGB")
        picture = opened if opened.mode == "RGBA" else opened.convert("RGBA")
        ground = Image.new("RGB", picture.size, "white")
        ground.paste(picture, mask=picture.getchannel("A"))
        return ground


def _check_size(opened: Image.Image, most_pixels: int) -> None:
    if opened.width * opened.height > most_pixels:
        raise InvalidImageError(
            f"The image has {opened.width} × {opened.height} pixels; the limit is "
            f"{most_pixels / 1e6:g} megapixels. Make it smaller."
        )


@contextmanager
def _explained() -> Iterator[None]:
    """Turn whatever Pillow's readers raise for files that are none into one error."""
    try:
        yield
    except (InvalidImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidImageError(
            f"The image is too large ({first_line(error)[:200]}). Make it smaller."
        ) from error
    except Exception as error:
        raise InvalidImageError(
            "The file is no readable image, or is damaged. Save it again as PNG or JPEG."
        ) from error
