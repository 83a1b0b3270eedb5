"""Image files from outside: read when they are honest, refused with a sentence when not."""

import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import InvalidImageError
from core.pictures.opening import MOST_PIXELS, open_rgb

ROOT = Path(__file__).parents[4]
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")


def saved(format_: str, size: tuple[int, int] = (24, 16)) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format_)
    return buffer.getvalue()


WHOLE = {name: saved(name) for name in FORMATS}


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def grey_png(width: int, height: int, *, rows: int | None = None) -> bytes:
    """Write a black PNG of any size, row by row; or only its first rows."""
    deflate = zlib.compressobj(9)
    row = bytes(width + 1)
    data = [deflate.compress(row) for _ in range(height if rows is None else rows)]
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", b"".join(data) + deflate.flush()),
            chunk(b"IEND", b""),
        )
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_every_usual_format_is_read(format_):
    image = open_rgb(WHOLE[format_])
    assert (image.mode, image.size) == ("RGB", (24, 16))


def test_what_is_transparent_becomes_white():
    buffer = BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(buffer, "PNG")
    assert np.asarray(open_rgb(buffer.getvalue())).min() == 255


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x89PNG\r\n\x1a\n"],
)
def test_what_is_no_image_is_refused(body):
    # Pillow's own words name objects in memory, or the file's folder.
    sentence = r"^The file is no readable image, or is damaged\. Save it again as PNG"
    with pytest.raises(InvalidImageError, match=sentence):
        open_rgb(body)


@pytest.mark.parametrize(
    ("width", "height"), [(10_000, 10_000), (100_000, 1_000), (65_000, 65_000)]
)
def test_more_pixels_than_memory_should_hold_are_refused_by_the_header_alone(width, height):
    with pytest.raises(InvalidImageError, match=r"the limit is .* megapixels|too large"):
        open_rgb(grey_png(width, height, rows=1))


def test_a_file_that_is_missing_is_no_bad_image(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_rgb(tmp_path / "gone.png")


PROGRAM = """
import re, sys
from pathlib import Path
from core.errors import InvalidImageError
from core.pictures.opening import open_rgb

def peak():
    # Not ru_maxrss: that begins with the size of the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
try:
    open_rgb(sys.stdin.buffer.read())
    said = ""
except InvalidImageError as error:
    said = error.detail
print(peak() - before, said)
"""


def webp_of_canvas(side: int) -> bytes:
    """Let an animated WebP of 16 × 16 claim a canvas of any size, as the format allows."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    buffer = BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    body = bytearray(buffer.getvalue())
    place = body.index(b"VP8X") + 12
    body[place : place + 6] = 2 * (side - 1).to_bytes(3, "little")
    return bytes(body)


@pytest.mark.parametrize(
    ("bomb", "size"), [(grey_png(10_000, 10_000), 10_000), (webp_of_canvas(13_000), 13_000)]
)
def test_a_bomb_costs_no_memory(bomb, size):
    assert len(bomb) < 200_000
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        input=bomb,
        capture_output=True,
        check=True,
    )
    kilobytes, _, sentence = done.stdout.decode().partition(" ")
    assert f"{size} × {size}" in sentence
    assert int(kilobytes) < 20_000
    assert MOST_PIXELS < 10**8


@pytest.mark.parametrize(("mode", "most"), [("RGB", 10), ("RGBA", 11)])
def test_an_accepted_image_takes_few_bytes_a_pixel(mode, most):
    body = BytesIO()
    Image.new(mode, (4000, 4000)).save(body, "PNG", compress_level=1)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        input=body.getvalue(),
        capture_output=True,
        check=True,
    )
    kilobytes, _, sentence = done.stdout.decode().partition(" ")
    assert sentence.strip() == ""
    assert int(kilobytes) * 1024 < most * 4000 * 4000


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_a_damaged_file_is_an_image_or_a_sentence(format_, data):
    body = bytearray(WHOLE[format_])
    kept = data.draw(st.integers(0, len(body)))
    places = data.draw(st.lists(st.integers(0, len(body) - 1), max_size=6))
    for place in places:
        body[place] = data.draw(st.integers(0, 255))
    try:
        image = open_rgb(bytes(body[:kept]), most_pixels=10**6)
    except InvalidImageError as error:
        said = error.detail
    else:
        said = f"{image.mode}, {image.width * image.height <= 10**6}."
    assert said.endswith(("Save it again as PNG or JPEG.", "Make it smaller.", "RGB, True."))
