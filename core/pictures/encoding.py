"""Pixels to files: each with its mark, and signed where a certificate is configured."""

from io import BytesIO
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.pictures.credentials import Credentials
from core.pictures.formats import Format
from core.pictures.provenance import XMP

QUALITY = 92
"""Of lossy formats, where no limit asks for less."""


def encode(
    image: Image.Image,
    format_: Format,
    *,
    quality: int = QUALITY,
    credentials: Credentials | None = None,
) -> bytes:
    """Write an RGB image as a file that says that a model made it.

    Args:
        image: Mode RGB.
        format_: What to write.
        quality: 1 to 100; nothing to a format without loss.
        credentials: What signs the file; None: it is not signed.
    """
    buffer = BytesIO()
    image.save(buffer, format=format_.value.upper(), **_options(format_, quality))
    body = buffer.getvalue()
    # Last of all: a signature covers every byte.
    return credentials.sign(body, format_) if credentials else body


def _options(format_: Format, quality: int) -> dict[str, Any]:
    xmp = XMP.encode()
    match format_:
        case Format.PNG:
            # Pillow ignores `xmp` for PNG without a word.
            info = PngInfo()
            info.add_itxt("XML:com.adobe.xmp", XMP)
            return {"pnginfo": info, "compress_level": 4}
        case Format.JPEG:
            # Whole colour resolution: products have fine coloured edges on white.
            return {"xmp": xmp, "quality": quality, "subsampling": 0}
        case Format.WEBP:
            return {"xmp": xmp, "quality": quality, "method": 4}
        case Format.AVIF:
            return {"xmp": xmp, "quality": quality, "subsampling": "4:4:4", "max_threads": 1}
