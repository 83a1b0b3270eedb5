"""A folder of captioned images: what is found, what is skipped, and what is said about it."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from core.errors import BundleError
from modelkit.training.images import load_pixels, read_folder


@pytest.fixture
def folder(tmp_path):
    """Six red images of 8x8."""
    (tmp_path / "more").mkdir()
    for number in range(6):
        Image.new("RGB", (8, 8), "red").save(tmp_path / "more" / f"{number}.png")
    return tmp_path


def caption_beside(folder, names="012345") -> None:
    for name in names:
        (folder / "more" / f"{name}.txt").write_text(f"image {name}\n")


def list_captions(folder, records) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "metadata.jsonl").write_text(lines, encoding="utf-8")


def test_a_text_beside_each_image(folder):
    caption_beside(folder)
    found = read_folder(folder)
    assert [(image.path.name, image.text) for image in found.images] == [
        (f"{number}.png", f"image {number}") for number in range(6)
    ]
    assert found.skipped == ()


def test_metadata_as_hugging_face_has_it(folder):
    list_captions(folder, [{"file_name": f"more/{n}.png", "text": f"bild {n} ü"} for n in range(6)])
    caption_beside(folder, "0")
    assert [image.text for image in read_folder(folder).images] == [f"bild {n} ü" for n in range(6)]


def test_what_has_no_partner_is_named(folder):
    list_captions(
        folder,
        [{"file_name": f"more/{n}.png", "text": "x"} for n in range(5)]
        + [{"file_name": "more/gone.png", "text": "x"}],
    )
    found = read_folder(folder)
    assert len(found.images) == 5
    assert len(found.skipped) == 2
    assert "5.png has no caption" in found.skipped[0]
    assert "gone.png, which is no image here" in found.skipped[1]


def test_hidden_folders_and_empty_captions_do_not_count(folder):
    caption_beside(folder, "01234")
    (folder / "more" / "5.txt").write_text(" \n")
    (folder / ".thumbnails").mkdir()
    Image.new("RGB", (8, 8)).save(folder / ".thumbnails" / "0.png")
    found = read_folder(folder)
    assert len(found.images) == 5
    assert found.skipped == (f"{folder / 'more' / '5.png'} has no caption",)


def test_no_captions_at_all(folder):
    with pytest.raises(BundleError, match=r"has no captions: write metadata.jsonl"):
        read_folder(folder)


def test_too_few_images(folder):
    caption_beside(folder, "01")
    with pytest.raises(BundleError, match=r"has 2 usable images .*2.png has no caption.* at least"):
        read_folder(folder)


def test_no_images_and_no_folder(tmp_path):
    with pytest.raises(BundleError, match="has no images"):
        read_folder(tmp_path)
    with pytest.raises(BundleError, match="is no folder"):
        read_folder(tmp_path / "nothing")


@pytest.mark.parametrize(
    "line", ["{", '{"file_name": "0.png"}', '{"file_name": 1, "text": "x"}', '["0.png", "x"]']
)
def test_a_damaged_line_is_named(folder, line):
    (folder / "metadata.jsonl").write_text('{"file_name": "more/0.png", "text": "x"}\n' + line)
    with pytest.raises(BundleError, match=r"metadata.jsonl, line 2 is no caption"):
        read_folder(folder)


def test_captions_that_are_not_utf_8(folder):
    caption_beside(folder)
    (folder / "more" / "3.txt").write_bytes("grün".encode("cp1252"))
    with pytest.raises(BundleError, match=r"3.txt cannot be read .* save it as UTF-8"):
        read_folder(folder)


def test_pixels_are_cropped_around_the_middle(tmp_path):
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 255
    Image.fromarray(image).save(tmp_path / "wide.png")
    pixels = load_pixels(tmp_path / "wide.png", 8, 8)
    assert pixels.shape == (8, 8, 3)
    assert pixels[:, 2:6].min() > 250


def test_what_is_transparent_becomes_white(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert load_pixels(tmp_path / "clear.png", 8, 8).min() == 255


def test_cameras_that_were_held_upright(tmp_path):
    image = Image.new("RGB", (16, 8), "black")
    image.paste("white", (0, 0, 8, 8))
    exif = Image.Exif()
    exif[274] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    pixels = load_pixels(tmp_path / "turned.png", 8, 16)
    assert pixels[:8].min() == 255
    assert pixels[8:].max() == 0


def test_damaged_images_are_os_errors(tmp_path):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    for name, damaged in (("cut", content[: len(content) // 2]), ("empty", b""), ("text", b"hi")):
        (tmp_path / f"{name}.jpg").write_bytes(damaged)
        with pytest.raises(OSError, match=r".+"):
            load_pixels(tmp_path / f"{name}.jpg", 8, 8)


def test_a_bomb_is_an_os_error_before_it_is_decoded(tmp_path):
    header = struct.pack(">IIBBBBB", 12_000, 9_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header
    body = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    body += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    (tmp_path / "bomb.png").write_bytes(body)
    with pytest.raises(OSError, match=r"the limit is .* megapixels|too large"):
        load_pixels(tmp_path / "bomb.png", 8, 8)
