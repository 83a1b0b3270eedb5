"""Pictures that tests draw, and readers of files that know nothing of packshot."""

import json
import random
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
from starter.data.attributes import Background, Colour, Kind, Pattern, Product
from starter.data.drawing import Look, _silhouette, draw
from starter.data.pen import Pen
from starter.data.shapes import SHAPES

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

SEED = 7


def product(
    colour: Colour = Colour.RED, background: Background = Background.WHITE, kind: Kind = Kind.MUG
) -> Image.Image:
    """Draw a product, 128 × 128."""
    one = Product(kind=kind, colour=colour, pattern=Pattern.PLAIN, background=background)
    return draw(one, random.Random(SEED))


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


def silhouette(kind: Kind = Kind.MUG) -> npt.NDArray[np.uint8]:
    """Give where `product` draws: 255 inside, 0 outside."""
    pen = Pen(Look.sample(random.Random(SEED)).placement)
    SHAPES[kind](pen)
    return np.asarray(_silhouette(pen.parts))


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
