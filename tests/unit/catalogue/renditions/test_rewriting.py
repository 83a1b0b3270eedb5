"""Stored images in another format: the same pixels, marks and transparency."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalogue.renditions.writer import rewrite
from core.errors import InvalidImageError
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import COMPOSITE, source_type_of
from tests.pictures import product


def stored(image: Image.Image) -> bytes:
    return encode(image, Format.PNG, source_type=COMPOSITE)


def transparent() -> Image.Image:
    image = product().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def rewritten(image: Image.Image, format_: Format, quality: int | None = None) -> Image.Image:
    body = rewrite(stored(image), format_, quality=quality, credentials=None)
    assert source_type_of(body) == COMPOSITE
    opened = Image.open(BytesIO(body))
    assert opened.format == format_.value.upper()
    return opened


@pytest.mark.parametrize("format_", list(Format))
def test_every_format_has_the_pixels_and_the_mark(format_):
    opened = rewritten(product(), format_)
    assert (opened.mode, opened.size) == ("RGB", (128, 128))
    away = np.abs(np.asarray(opened, int) - np.asarray(product(), int))
    assert away.mean() < 2


@pytest.mark.parametrize("format_", [Format.PNG, Format.WEBP, Format.AVIF])
def test_transparency_stays_where_there_is_any(format_):
    opened = rewritten(transparent(), format_)
    assert opened.mode == "RGBA"
    alpha = np.asarray(opened.getchannel("A"), int)
    assert np.abs(alpha - np.asarray(transparent().getchannel("A"), int)).mean() < 2


def test_jpeg_has_white_where_nothing_is():
    opened = rewritten(transparent(), Format.JPEG)
    assert opened.mode == "RGB"
    assert np.asarray(opened)[0].min() > 245


def test_a_lower_quality_is_a_smaller_file():
    sizes = [
        len(rewrite(stored(product()), Format.WEBP, quality=one, credentials=None))
        for one in (0, 50, 100)
    ]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_what_is_no_image_is_refused():
    with pytest.raises(InvalidImageError):
        rewrite(b"\x89PNG these are no pixels", Format.JPEG, quality=None, credentials=None)
