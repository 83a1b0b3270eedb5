"""Photographs in folders and ZIP files, honest and not."""

import zipfile
from pathlib import Path

import pytest

from cli.errors import UsageError
from cli.photographs import album
from cli.photographs.album import open_album


def packed(target: Path, entries: list[tuple[str, bytes]], **options: int) -> Path:
    with zipfile.ZipFile(target, "w", **options) as file:
        for name, content in entries:
            file.writestr(name, content)
    return target


def test_a_folder_is_walked_and_what_is_no_photograph_left_out(tmp_path):
    for name in ("b.JPG", "in/ner/a.png", ".hidden/c.jpg", "._b.jpg", "notes.txt", "in/d.webp"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    with open_album(tmp_path) as found:
        assert found.names == ["b.JPG", "in/d.webp", "in/ner/a.png"]
        assert found.read("in/ner/a.png") == b"in/ner/a.png"


def test_a_link_to_a_folder_is_not_followed(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.jpg").write_bytes(b"a")
    (tmp_path / "here" / "again").symlink_to(tmp_path / "here")
    with open_album(tmp_path / "here") as found:
        assert found.names == ["a.jpg"]


def test_one_photograph_is_an_album_too(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    with open_album(tmp_path / "a.jpg") as found:
        assert found.names == ["a.jpg"]
        assert found.read("a.jpg") == b"a.jpg"


def test_a_zip_file_is_read_without_unpacking_it(tmp_path):
    file = packed(
        tmp_path / "photos.zip",
        [("b.jpg", b"b"), ("in/a.png", b"a"), ("__MACOSX/._b.jpg", b"x"), ("list.csv", b"y")],
    )
    with open_album(file) as found:
        assert found.names == ["b.jpg", "in/a.png"]
        assert found.read("in/a.png") == b"a"
    assert [one.name for one in tmp_path.iterdir()] == ["photos.zip"]


def test_paths_of_a_zip_file_lead_nowhere(tmp_path):
    file = packed(tmp_path / "photos.zip", [("../../etc/mug.jpg", b"a"), ("/root/jug.jpg", b"b")])
    with open_album(file) as found:
        assert {found.read(name) for name in found.names} == {b"a", b"b"}
    assert [one.name for one in tmp_path.iterdir()] == ["photos.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_entries_with_one_path_the_last_counts(tmp_path):
    file = packed(tmp_path / "photos.zip", [("a.jpg", b"old"), ("a.jpg", b"new")])
    with open_album(file) as found:
        assert found.names == ["a.jpg"]
        assert found.read("a.jpg") == b"new"


def test_a_bomb_is_not_unpacked_further_than_a_photograph_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr(album, "MOST_BYTES", 2**20)
    bomb = bytes(50 * 2**20)
    entries = [("a.jpg", bomb), ("b.jpg", b"b")]
    file = packed(tmp_path / "photos.zip", entries, compression=zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 100_000
    with open_album(file) as found:
        with pytest.raises(UsageError, match=r"a\.jpg is larger than 1 MiB"):
            found.read("a.jpg")
        assert found.read("b.jpg") == b"b"


def test_a_damaged_entry_is_named(tmp_path):
    file = packed(tmp_path / "photos.zip", [("a.jpg", b"photograph" * 100)])
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with open_album(file) as found, pytest.raises(UsageError, match=r"a\.jpg cannot be read"):
        found.read("a.jpg")


def test_an_entry_behind_a_password_is_named(tmp_path):
    file = packed(tmp_path / "photos.zip", [("a.jpg", b"photograph")])
    content = bytearray(file.read_bytes())
    # The bit that says so, where the entry begins and in the list at the end.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(content)
    with open_album(file) as found, pytest.raises(UsageError, match="needs a password"):
        found.read("a.jpg")


@pytest.mark.parametrize("name", ["missing", "sheet.csv", "empty", "empty.zip", "broken.zip"])
def test_what_has_no_photographs_is_said(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "sheet.csv").write_text("sku\n")
    packed(tmp_path / "empty.zip", [("notes.txt", b"")])
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no more of it")
    with pytest.raises(UsageError) as caught:
        open_album(tmp_path / name)
    assert caught.value.detail.endswith(".")
