"""What a file from outside is, told by its header."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from core.errors import InvalidImageError
from core.pictures.headers import MEDIA_TYPES, read_header

SIZE = (31, 17)


def saved(format_: str, mode: str = "RGB", **options: object) -> bytes:
    stream = BytesIO()
    Image.new(mode, SIZE).save(stream, format_, **options)
    return stream.getvalue()


def film(format_: str) -> bytes:
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "green", "blue")]
    stream = BytesIO()
    frames[0].save(stream, format_, save_all=True, append_images=frames[1:])
    return stream.getvalue()


def refusal(content: bytes) -> str:
    with pytest.raises(InvalidImageError) as caught:
        read_header(BytesIO(content))
    return caught.value.detail


@pytest.mark.parametrize(
    ("format_", "mode", "content_type", "extension"),
    [
        ("JPEG", "RGB", "image/jpeg", "jpg"),
        ("JPEG", "CMYK", "image/jpeg", "jpg"),
        ("PNG", "RGBA", "image/png", "png"),
        ("PNG", "I;16", "image/png", "png"),
        ("WEBP", "RGB", "image/webp", "webp"),
        ("AVIF", "RGB", "image/avif", "avif"),
        ("GIF", "P", "image/gif", "gif"),
        ("TIFF", "RGB", "image/tiff", "tif"),
        ("BMP", "RGB", "image/bmp", "bmp"),
    ],
)
def test_every_format_is_told_by_its_bytes(format_, mode, content_type, extension):
    found = read_header(BytesIO(saved(format_, mode)))
    assert (found.content_type, found.extension) == (content_type, extension)
    assert (found.width, found.height) == SIZE
    assert content_type in MEDIA_TYPES


def test_the_pictures_behind_a_telephones_jpeg_are_no_film():
    assert read_header(BytesIO(film("MPO"))).content_type == "image/jpeg"


def test_pages_are_no_film():
    assert read_header(BytesIO(film("TIFF"))).content_type == "image/tiff"


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
def test_films_are_refused(format_):
    assert "is an animation" in refusal(film(format_))


def test_a_bomb_is_refused_by_its_header():
    header = struct.pack(">IIBBBBB", 9_000, 8_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    bomb += struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
    assert "9000 × 8000 pixels, and 64 megapixels are the most" in refusal(bomb)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf \n<!DOCTYPE HTML><title>Sign in</title>", "a web page (HTML)"),
        (b"<html><body>", "a web page (HTML)"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"PK\x03\x04....", "an archive"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "an HEIC photograph"),
        (b"<?xml version='1.0'?><svg width='3'>", "a drawing (SVG)"),
        (b"sku,prompt\n1,a mug\n", "Save it again as PNG or JPEG"),
        (b"\x89PNG these are no pixels", "Save it again as PNG or JPEG"),
        (saved("JPEG")[:20], "."),
        (bytes(4096), "Save it again as PNG or JPEG"),
    ],
)
def test_what_is_no_photograph_is_refused_in_a_sentence(content, said):
    sentence = refusal(content)
    assert said in sentence
    assert sentence.endswith(".")
