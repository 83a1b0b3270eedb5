"""Pictures that tests draw, and readers of files that know nothing of packshot."""

import json
import shutil
import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from core.pictures.provenance import source_type_of
from starter.scenes.objects import load_object, paint_object
from starter.scenes.subjects import Colour, Kind, Surroundings
from starter.scenes.surroundings import draw_surroundings

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

SEED = 7


SIDE = 128
PLACED = slice(20, 116)
"""Rows and columns of the square that a product is fitted into."""

BACKDROPS = {
    "white": (255, 255, 255), "grey": (205, 207, 210), "beige": (232, 218, 196),
    "mint": (186, 226, 204),
}  # fmt: skip
"""Plain ones, in RGB."""


def product(
    colour: Colour = Colour.RED, backdrop: str = "white", kind: Kind = Kind.TEAPOT
) -> Image.Image:
    """Show a rendered object before a plain backdrop or on "wood", 128 × 128."""
    rng = np.random.default_rng(SEED)
    if backdrop == "wood":
        pixels = 255 * draw_surroundings(Surroundings.WOOD, rng, SIDE).pixels
    else:
        pixels = np.broadcast_to(np.float32(BACKDROPS[backdrop]), (SIDE, SIDE, 3)).copy()
    pixels *= 1 - _contact_shadow(kind)[..., None]
    painted = Image.fromarray((255 * paint_object(kind, colour, rng)).astype(np.uint8))
    image = Image.fromarray(pixels.astype(np.uint8))
    placed = painted.resize((_PLACED_SIDE, _PLACED_SIDE), Image.Resampling.BICUBIC)
    image.paste(placed, (PLACED.start, PLACED.start), placed)
    return image


def silhouette(kind: Kind = Kind.TEAPOT) -> npt.NDArray[np.uint8]:
    """Give where `product` has its object: 255 inside, 0 outside."""
    alpha = Image.fromarray((255 * load_object(kind)[..., 3]).astype(np.uint8))
    whole = np.zeros((SIDE, SIDE), np.uint8)
    whole[PLACED, PLACED] = alpha.resize((_PLACED_SIDE, _PLACED_SIDE), Image.Resampling.BICUBIC)
    return whole


_PLACED_SIDE = PLACED.stop - PLACED.start


def _contact_shadow(kind: Kind) -> npt.NDArray[np.float32]:
    """Return how much darker each pixel is under an object's lowest row."""
    rows, columns = np.nonzero(silhouette(kind) > 128)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    across = (x - columns.mean()) / (0.4 * np.ptp(columns))
    down = (y - rows.max()) / 6
    return 0.38 * np.clip(1 - across**2 - down**2, 0, 1)


def animation() -> bytes:
    """Write a GIF of two frames."""
    frames, stream = [Image.new("RGB", (64, 64), one) for one in ("red", "blue")], BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def bomb(side: int) -> bytes:
    """Write a PNG of few bytes and many pixels."""
    stream = BytesIO()
    Image.new("1", (side, side)).save(stream, "PNG")
    return stream.getvalue()


def near_white(image: Image.Image, *, darker: float = 4, noise: float = 1.5) -> Image.Image:
    """Let a picture's white be that of a small model: a little darker, and uneven."""
    pixels = np.asarray(image, np.float32) - darker
    pixels += np.random.default_rng(SEED).normal(0, noise, pixels.shape)
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def png(image: Image.Image) -> bytes:
    """Write a picture as any program would."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


READERS = ("exiftool", "exiv2")
"""Programs that read marks and are not ours, by their commands' names."""
NO_READER = (
    "neither exiftool nor exiv2 is installed: apt-get install libimage-exiftool-perl (or exiv2)"
)


def source_type(file: Path) -> str | None:
    """Read a file's digital source type with a program that knows nothing of packshot."""
    if (exiftool := shutil.which("exiftool")) is not None:
        tag = "-XMP-iptcExt:DigitalSourceType"
        found: str | None = json.loads(_output(exiftool, "-json", "-n", tag, str(file)))[0].get(
            "DigitalSourceType"
        )
        return found
    if (exiv2 := shutil.which("exiv2")) is not None:
        # It fails on a file that has no such mark.
        key = "Xmp.iptcExt.DigitalSourceType"
        return _output(exiv2, "-K", key, "-Pv", str(file), check=False) or None
    pytest.skip(NO_READER)


def write_source_type(file: Path, source_type: str, *options: str) -> None:
    """Mark a file as another program does; skip the test where there is no exiftool."""
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip(NO_READER)
    tag = f"-XMP-iptcExt:DigitalSourceType={source_type}"
    _output(exiftool, "-q", "-n", "-overwrite_original", *options, tag, str(file))


def _output(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=check)
    return done.stdout.strip()


def pixels_of(body: bytes) -> bytes:
    """Give the pixels of an image file, whatever is written beside them."""
    return Image.open(BytesIO(body)).tobytes()


def marks_of(body: bytes) -> set[str | None]:
    """Give the digital source types that all readers which are there find in a file."""
    found = {source_type_of(body)}
    if any(map(shutil.which, READERS)):
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            found.add(source_type(Path(file.name)))
    return found
