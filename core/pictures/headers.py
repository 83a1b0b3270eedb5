"""What a file from outside is, told by its bytes: its name and its sender may say anything.

Only headers are read; no pixel is decoded, and NumPy is not loaded: the API asks this.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from PIL import Image, UnidentifiedImageError

from core.pictures.photograph_errors import (
    AnimatedPhotographError,
    OversizedPhotographError,
    TinyPhotographError,
    TruncatedPhotographError,
    UnreadablePhotographError,
)

MOST_PIXELS = 64 * 10**6
LEAST_SIDE = 16
"""Pixels of the shorter side."""
READ = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
"""Formats that are read, by Pillow's names. Among JPEG is MPO, the one of telephones, which carries
a second picture (depth, brightness) behind the first."""
_MOVING = frozenset({"PNG", "WEBP", "AVIF", "GIF"})
"""Formats whose further pictures are frames; those of TIFF are pages, those of MPO are extras."""

_TYPES: Mapping[str, tuple[str, str]] = {
    "JPEG": ("image/jpeg", "jpg"),
    # A JPEG with further pictures behind it, as telephones write them: readers show the first.
    "MPO": ("image/jpeg", "jpg"),
    "PNG": ("image/png", "png"),
    "WEBP": ("image/webp", "webp"),
    "AVIF": ("image/avif", "avif"),
    "GIF": ("image/gif", "gif"),
    "TIFF": ("image/tiff", "tif"),
    "BMP": ("image/bmp", "bmp"),
}
"""Media type and the end of file names, by Pillow's name of a format."""

MEDIA_TYPES: Sequence[str] = list(dict.fromkeys(kind for kind, _ in _TYPES.values()))
"""Of the files that are taken."""

_SNIFFED_BYTES = 1024

_STRANGERS: Mapping[bytes, str] = {
    b"%pdf-": "a PDF; save the photograph in it as JPEG",
    b"pk\x03\x04": "an archive or an office document; send the photographs in it one by one",
    b"ftypheic": "an HEIC photograph; save it as JPEG",
    b"ftypheix": "an HEIC photograph; save it as JPEG",
    b"ftypmif1": "an HEIF photograph; save it as JPEG",
    b"<svg": "a drawing (SVG); save it as PNG",
}
"""What people send instead, by bytes in lower case that it begins with, or nearly so."""


@dataclass(frozen=True, kw_only=True)
class PictureHeader:
    """What a file's header says."""

    content_type: str
    """The media type."""
    extension: str
    """What names of such files end with, without a dot."""
    width: int
    """Pixels as they are stored: a camera that was turned is not taken into account."""
    height: int


def read_header(stream: IO[bytes], *, most_pixels: int = MOST_PIXELS) -> PictureHeader:
    """Return what a file is, and how large, by its header.

    Args:
        stream: The file, from its beginning; it is left open, anywhere.
        most_pixels: Larger ones are refused.

    Raises:
        UnreadablePhotographError: It is no image of a format that is read.
        OversizedPhotographError: It has too many pixels.
        TinyPhotographError: It has too few.
        AnimatedPhotographError: It has several frames.
    """
    beginning = stream.read(_SNIFFED_BYTES)
    stream.seek(0)
    try:
        return _read(stream, most_pixels)
    except UnreadablePhotographError:
        _refuse_stranger(beginning)
        raise


def _read(stream: IO[bytes], most_pixels: int) -> PictureHeader:
    with explained(), Image.open(stream, formats=READ) as opened:
        check_header(opened, most_pixels)
        content_type, extension = _TYPES[opened.format or ""]
        return PictureHeader(
            content_type=content_type,
            extension=extension,
            width=opened.width,
            height=opened.height,
        )


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


def _refuse_stranger(beginning: bytes) -> None:
    """Name what is no image, as far as it can be told by its beginning.

    Raises:
        UnreadablePhotographError: With what it is.
    """
    if not beginning:
        raise UnreadablePhotographError("The file is empty. Send the photograph's bytes.")
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        raise UnreadablePhotographError(
            "This is a web page (HTML) and not an image. Name the address of the photograph "
            "itself, one that needs no login."
        )
    for mark, what in _STRANGERS.items():
        # The size of its first box stands before HEIF's mark, an XML declaration before SVG's.
        if start.startswith(mark) or (mark[:1] in b"f<" and mark in start[:512]):
            raise UnreadablePhotographError(f"The file is {what}.")
