"""Files say that a model made them, in every format, as any reader sees it."""

import shutil
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import source_type_of
from tests.pictures import NO_READER, READERS, TRAINED, png, product, source_type


@pytest.mark.parametrize("format_", Format)
def test_every_format_carries_the_mark_and_other_programs_read_it(format_, tmp_path):
    body = encode(product(), format_)
    assert source_type_of(body) == TRAINED
    opened = Image.open(BytesIO(body))
    assert (opened.format, opened.size, opened.mode) == (format_.name, (128, 128), "RGB")
    assert opened.get_format_mimetype() == format_.content_type
    file = tmp_path / f"file.{format_.extension}"
    file.write_bytes(body)
    assert source_type(file) == TRAINED


@pytest.mark.parametrize("reader", READERS)
def test_either_reader_finds_the_mark_and_nothing_where_none_is(reader, tmp_path, monkeypatch):
    command = shutil.which(reader)
    if command is None:
        pytest.skip(NO_READER)
    monkeypatch.setattr(shutil, "which", {reader: command}.get)
    file = tmp_path / "file.png"
    file.write_bytes(encode(product(), Format.PNG))
    assert source_type(file) == TRAINED
    file.write_bytes(png(product()))
    assert source_type(file) is None


def test_png_keeps_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    decoded = Image.open(BytesIO(encode(Image.fromarray(pixels), Format.PNG)))
    assert np.array_equal(np.asarray(decoded), pixels)


@pytest.mark.parametrize("format_", [one for one in Format if one.lossy])
def test_a_lower_quality_makes_a_smaller_file(format_):
    assert len(encode(product(), format_, quality=40)) < len(encode(product(), format_))


def test_a_file_of_another_program_has_no_mark():
    assert source_type_of(png(product())) is None
