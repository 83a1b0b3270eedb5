"""Photographs as shops have them become upright sRGB, or are refused with a sentence."""

import shutil
import struct
import subprocess
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.errors import InvalidImageError
from core.pictures import photograph_errors as errors
from core.pictures.photograph import read_photograph

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
MAGICK = shutil.which("magick") or shutil.which("convert-im6.q16")
"""ImageMagick; not by the name `convert`, which other programs have, too."""
PROFILES = Path("/usr/share/color/icc/ghostscript")
"""Of the Debian package libgs-common."""

needs_magick = pytest.mark.skipif(
    MAGICK is None or not PROFILES.is_dir(),
    reason="ImageMagick or Ghostscript's profiles are missing: apt-get install imagemagick",
)


def gradient(side: int = 48) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side] * (255 // (side - 1))
    return np.stack([x, y, 255 - (x + y) // 2], axis=-1).astype(np.uint8)


def saved(image: Image.Image, format_: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def magick(body: bytes, *options: str) -> np.ndarray:
    """Convert a file with ImageMagick to RGBA."""
    command = [MAGICK, "-", *options, "-depth", "8", "png32:-"]
    done = subprocess.run(command, input=body, capture_output=True, check=True)
    return np.asarray(Image.open(BytesIO(done.stdout)))


def far(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second.astype(int)).max())


@pytest.mark.parametrize("format_", FORMATS)
def test_every_usual_format_is_read(format_):
    read = read_photograph(saved(Image.fromarray(gradient()), format_))
    assert read.pixels.shape == (48, 48, 4)
    assert read.pixels[..., 3].min() == 255
    assert read.notes == ()


@needs_magick
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_was_held(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    body = saved(Image.fromarray(gradient()[:24]), "JPEG", quality=100, subsampling=0, exif=exif)
    assert far(read_photograph(body).pixels, magick(body, "-auto-orient")) <= 2


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_costs_the_rotation_alone():
    exif = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x09" + b"\xff" * 9
    body = saved(Image.fromarray(gradient()), "JPEG", exif=exif)
    assert read_photograph(body).pixels.shape == (48, 48, 4)


@needs_magick
@pytest.mark.parametrize("name", ["a98", "rommrgb", "srgb"])
def test_a_profile_is_converted_as_imagemagick_converts_it(name):
    profile = (PROFILES / f"{name}.icc").read_bytes()
    body = saved(Image.fromarray(gradient()), icc_profile=profile)
    expected = magick(
        body, "-intent", "relative", "-black-point-compensation",
        "-profile", str(PROFILES / "srgb.icc"),
    )  # fmt: skip
    assert far(read_photograph(body).pixels, expected) <= 2
    assert (far(read_photograph(body).pixels[..., :3], gradient()) > 10) == (name != "srgb")


def test_an_srgb_profile_changes_no_pixel():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    body = saved(Image.fromarray(noise), icc_profile=profile)
    assert np.array_equal(read_photograph(body).pixels[..., :3], noise)


@needs_magick
def test_inks_without_a_profile_are_those_that_imagemagick_shows():
    body = saved(Image.fromarray(gradient()).convert("CMYK"), "JPEG", quality=95)
    assert far(read_photograph(body).pixels, magick(body, "-colorspace", "sRGB")) <= 2


def test_inks_by_the_formula():
    inks = Image.new("CMYK", (16, 16), (51, 102, 204, 0))
    pixels = read_photograph(saved(inks, "TIFF")).pixels
    assert pixels[0, 0].tolist() == [204, 153, 51, 255]
    # Adobe's JPEG holds inks inverted.
    assert far(read_photograph(saved(inks, "JPEG", quality=100)).pixels, pixels) <= 3


@needs_magick
def test_inks_with_a_profile_are_converted_by_it():
    profile = (PROFILES / "default_cmyk.icc").read_bytes()
    inks = Image.fromarray(gradient()).convert("CMYK")
    body = saved(inks, "TIFF", icc_profile=profile)
    expected = magick(
        body, "-intent", "relative", "-black-point-compensation",
        "-profile", str(PROFILES / "srgb.icc"),
    )  # fmt: skip
    read = read_photograph(body)
    assert far(read.pixels, expected) <= 2
    assert far(read.pixels, read_photograph(saved(inks, "TIFF")).pixels) > 10


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), "is for RGB"),
        (b"no profile at all", "is damaged"),
    ],
)
def test_an_odd_profile_of_inks_is_ignored_and_noted(profile, said):
    inks = Image.fromarray(gradient()).convert("CMYK")
    read = read_photograph(saved(inks, "JPEG", icc_profile=profile, quality=95))
    plain = read_photograph(saved(inks, "JPEG", quality=95))
    assert np.array_equal(read.pixels, plain.pixels)
    assert len(read.notes) == 1
    assert said in read.notes[0]


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *extra: bytes) -> bytes:
    """Write a PNG of any kind by its specification."""

    def chunk(name: bytes, content: bytes) -> bytes:
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [chunk(one[:4], one[4:]) for one in extra]
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *chunks,
            chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""),
        ]
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_become_eight(kind, channels):
    levels = np.arange(16 * 16 * channels, dtype=np.uint32).reshape(16, -1) * 257 % 65536
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in levels)
    pixels = read_photograph(png(16, 16, 16, kind, rows)).pixels
    expected = (levels // 257).reshape(16, 16, channels)
    colours = 3 if channels > 2 else 1
    assert far(pixels[..., :colours], expected[..., :colours]) <= 1
    if channels in {2, 4}:
        assert far(pixels[..., 3], expected[..., -1]) <= 1


def test_a_grey_that_counts_as_transparent_does():
    levels = np.zeros((16, 16), ">u2")
    levels[:8] = 40_000
    rows = b"".join(b"\x00" + row.tobytes() for row in levels)
    pixels = read_photograph(png(16, 16, 16, 0, rows, b"tRNS" + struct.pack(">H", 40_000))).pixels
    assert (pixels[:8, :, 3] == 0).all()
    assert (pixels[8:, :, 3] == 255).all()


@needs_magick
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_modes_are_what_imagemagick_shows(mode):
    source = gradient()
    if mode == "I;16":
        picture = Image.fromarray(source[..., 0].astype(np.uint16) * 257)
    elif mode in {"LA", "RGBA"}:
        picture = Image.fromarray(source).convert(mode)
        picture.putalpha(Image.fromarray(source[..., 1]))
    else:
        picture = Image.fromarray(source).convert(mode)
    body = saved(picture)
    assert far(read_photograph(body).pixels, magick(body)) <= 1


def test_a_palette_with_a_transparent_entry():
    picture = Image.fromarray(gradient()).quantize(8)
    body = saved(picture, transparency=3)
    shown = read_photograph(body).pixels[..., 3] == 0
    assert np.array_equal(shown, np.asarray(picture) == 3)


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations_are_refused(format_):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    body = saved(frames[0], format_, save_all=True, append_images=frames[1:])
    with pytest.raises(errors.AnimatedPhotographError) as caught:
        read_photograph(body)
    assert not caught.value.retry_helps


def test_a_telephones_second_picture_and_a_scanners_second_page_are_no_animation():
    for format_, notes in (("MPO", 0), ("TIFF", 1)):
        pages = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
        read = read_photograph(saved(pages[0], format_, save_all=True, append_images=pages[1:]))
        assert read.pixels[0, 0, 0] > 250
        assert len(read.notes) == notes


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_is_cut_off_is_refused(format_, share):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    body = saved(Image.fromarray(noise), format_)
    with pytest.raises(InvalidImageError):
        read_photograph(body[: int(share * len(body))])


def test_a_jpeg_that_is_cut_off_can_be_sent_again():
    body = saved(Image.fromarray(gradient(256)), "JPEG")
    with pytest.raises(errors.TruncatedPhotographError) as caught:
        read_photograph(body[:-200])
    assert caught.value.retry_helps


@pytest.mark.parametrize("body", [b"", b"<html><body>404</body></html>", b"%PDF-1.7", b"\x89PNG"])
def test_what_is_no_image_is_refused(body):
    with pytest.raises(errors.UnreadablePhotographError):
        read_photograph(body)


def test_too_many_bytes_and_too_many_pixels_are_refused_by_what_the_header_says():
    body = saved(Image.new("L", (200, 100)))
    with pytest.raises(errors.OversizedPhotographError, match="200 × 100"):
        read_photograph(body, most_pixels=19_999)
    with pytest.raises(errors.OversizedPhotographError, match="MiB"):
        read_photograph(body, most_bytes=len(body) - 1)
    assert read_photograph(body, most_bytes=len(body), most_pixels=20_000).pixels.size == 80_000


def test_a_bomb_is_refused_before_it_is_decoded():
    # Its data end at once: whoever decoded would say so.
    with pytest.raises(errors.OversizedPhotographError):
        read_photograph(png(10_000, 10_000, 8, 2, b""))


@pytest.mark.parametrize("size", [(1, 1), (15, 400)])
def test_a_few_pixels_are_no_photograph(size):
    with pytest.raises(errors.TinyPhotographError):
        read_photograph(saved(Image.new("RGB", size)))


def test_nothing_to_see_is_refused():
    with pytest.raises(errors.TransparentPhotographError):
        read_photograph(saved(Image.new("RGBA", (32, 32), (200, 10, 10, 0))))


def test_numbers_without_a_known_white_are_refused():
    with pytest.raises(errors.UnreadablePhotographError, match="32 bits"):
        read_photograph(saved(Image.new("F", (32, 32), 0.5), "TIFF"))
