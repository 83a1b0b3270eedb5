"""Pixels to files: each with its mark, and signed where a certificate is configured."""

from io import BytesIO
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.pictures.credentials import Credentials, Ingredient
from core.pictures.formats import Format
from core.pictures.provenance import TRAINED, xmp

QUALITY = 92
"""Of lossy formats, where no limit asks for less."""


def encode(
    image: Image.Image,
    format_: Format,
    *,
    quality: int = QUALITY,
    credentials: Credentials | None = None,
    source_type: str = TRAINED,
    ingredient: Ingredient | None = None,
) -> bytes:
    """Write an image as a file that says how it was made.

    Args:
        image: Mode RGB; RGBA for formats that have transparency.
        format_: What to write.
        quality: 1 to 100; nothing to a format without loss.
        credentials: What signs the file; None: it is not signed.
        source_type: Its digital source type: see `core.pictures.provenance.source_type_for`.
        ingredient: What it was made of, for the credentials to name; None: of nothing.
    """
    buffer = BytesIO()
    image.save(buffer, format=format_.value.upper(), **_options(format_, quality, source_type))
    body = buffer.getvalue()
    # Last of all: a signature covers every byte.
    if credentials is None:
        return body
    return credentials.sign(body, format_, source_type=source_type, ingredient=ingredient)


def _options(format_: Format, quality: int, source_type: str) -> dict[str, Any]:
    packet = xmp(source_type)
    match format_:
        case Format.PNG:
            # Pillow ignores `xmp` for PNG without a word.
            info = PngInfo()
            info.add_itxt("XML:com.adobe.xmp", packet)
            return {"pnginfo": info, "compress_level": 4}
        case Format.JPEG:
            # Whole colour resolution: products have fine coloured edges on white.
            return {"xmp": packet.encode(), "quality": quality, "subsampling": 0}
        case Format.WEBP:
            return {"xmp": packet.encode(), "quality": quality, "method": 4}
        case Format.AVIF:
            return {
                "xmp": packet.encode(),
                "quality": quality,
                "subsampling": "4:4:4",
                "max_threads": 1,
            }
