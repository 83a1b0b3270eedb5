"""Pictures that tests draw, and readers of files that know nothing of packshot."""

import json
import random
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bundles.starter.attributes import Background, Colour, Kind, Pattern, Product
from bundles.starter.drawing import Look, _silhouette, draw
from bundles.starter.pen import Pen
from bundles.starter.shapes import SHAPES

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

SEED = 7


def product(
    colour: Colour = Colour.RED, background: Background = Background.WHITE, kind: Kind = Kind.MUG
) -> Image.Image:
    """Draw a product, 128 × 128."""
    one = Product(kind=kind, colour=colour, pattern=Pattern.PLAIN, background=background)
    return draw(one, random.Random(SEED))


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


def source_type(file: Path) -> str | None:
    """Read a file's digital source type with exiftool, which is Debian's and not ours."""
    command = shutil.which("exiftool")
    if command is None:
        pytest.skip("exiftool is not installed: apt-get install libimage-exiftool-perl")
    done = subprocess.run(
        [command, "-json", "-n", "-XMP-iptcExt:DigitalSourceType", str(file)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)[0].get("DigitalSourceType")
