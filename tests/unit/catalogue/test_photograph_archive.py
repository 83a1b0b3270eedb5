"""Photographs in ZIP files from outside: what they say of themselves binds nobody."""

import io
import zipfile

import pytest

from catalogue.photograph_archive import PhotographArchive
from core.errors import InvalidRequestError


def packed(names: list[str]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, name.encode())
    return stream


def test_an_open_file_is_read_and_left_open():
    stream = packed(["b.jpg", "in/a.png", "list.csv"])
    with PhotographArchive(stream, name="photos.zip") as archive:
        assert archive.names == ["b.jpg", "in/a.png"]
        target = io.BytesIO()
        assert archive.copy("in/a.png", target, most_bytes=8) == 8
        assert target.getvalue() == b"in/a.png"
        with pytest.raises(InvalidRequestError, match=r"b\.jpg is larger"):
            archive.copy("b.jpg", io.BytesIO(), most_bytes=4)
    assert not stream.closed


def test_a_list_of_entries_that_is_too_long_is_not_read():
    stream = packed([f"{number}.jpg" for number in range(1000)])
    with pytest.raises(InvalidRequestError, match=r"photos\.zip is a damaged ZIP file .*list"):
        PhotographArchive(stream, name="photos.zip", longest_list=10_000)
    with PhotographArchive(stream, name="photos.zip", longest_list=100_000) as archive:
        assert len(archive.names) == 1000


def test_a_name_that_is_no_text_where_the_entry_begins_is_a_damaged_one():
    stream = packed(["ä.jpg", "b.jpg"])
    content = bytearray(stream.getvalue())
    content[content.index("ä".encode())] = 0xFF
    with (
        PhotographArchive(io.BytesIO(content), name="photos.zip") as archive,
        pytest.raises(InvalidRequestError, match=r"ä\.jpg cannot be read from the ZIP file"),
    ):
        archive.copy("ä.jpg", io.BytesIO(), most_bytes=100)
