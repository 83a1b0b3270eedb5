"""Photographs beside what became of them, as one picture."""

import numpy as np
import pytest
from PIL import Image

from cli.pictures.before_after import SCREEN, ProductStages, draw_before_after, write_before_after
from tests.pictures import TRAINED, source_type

HEADINGS = ("photograph", "white", "scene")
COLOURS = ("red", "lime", "blue")


@pytest.fixture
def files(tmp_path):
    for name in COLOURS:
        Image.new("RGB", (200, 100), name).save(tmp_path / f"{name}.png")
    return [tmp_path / f"{name}.png" for name in COLOURS]


def products(number: int, files) -> list[ProductStages]:
    return [ProductStages(sku=f"KIT-{one}", text="Teapot", files=files) for one in range(number)]


def middle_colours(sheet: Image.Image) -> set[tuple[int, int, int]]:
    pixels = np.asarray(sheet).reshape(-1, 3)
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    return {tuple(map(int, one)) for one in found[counts > 1000]}


@pytest.mark.parametrize("number", [1, 5, 24, 60])
def test_every_product_shows_its_stages_side_by_side_within_a_screen(number, files):
    sheet = draw_before_after(products(number, files), HEADINGS, "Shop")
    assert sheet.width <= SCREEN[0]
    assert number > 24 or sheet.height <= SCREEN[1]
    pixels = np.asarray(sheet).astype(int)
    columns = [
        np.flatnonzero((pixels == np.array(one)).all(axis=2).any(axis=0))
        for one in ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    ]
    firsts = [one.min() for one in columns]
    assert firsts == sorted(firsts)
    # The first product's three stand beside each other without overlapping.
    assert columns[1].min() > columns[0].min() + 90


def test_photographs_lie_as_they_are_looked_at(tmp_path):
    stored = Image.new("RGB", (200, 100), "red")
    stored.paste("blue", (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    one = ProductStages(sku="A", text="", files=[tmp_path / "turned.jpg"])
    pixels = np.asarray(draw_before_after([one], ["photograph"], "Shop")).astype(int)
    red = np.argwhere((pixels[..., 0] > 200) & (pixels[..., 1:].max(axis=2) < 60))
    blue = np.argwhere((pixels[..., 2] > 200) & (pixels[..., :2].max(axis=2) < 60))
    # What was left is above after a turn to the right.
    assert blue[:, 0].max() < red[:, 0].min() + 3


def test_what_is_missing_says_why(files):
    whole = ProductStages(sku="KIT-1", text="Teapot", files=files)
    part = ProductStages(sku="KIT-1", text="Teapot", files=[*files[:2], None], reason="gone")
    silent = ProductStages(sku="KIT-1", text="Teapot", files=[*files[:2], None])
    drawn = [
        np.asarray(draw_before_after([one], HEADINGS, "Shop")) for one in (whole, part, silent)
    ]
    assert (drawn[1] != drawn[2]).any()
    assert (0, 0, 255) in middle_colours(Image.fromarray(drawn[0]))
    assert (0, 0, 255) not in middle_colours(Image.fromarray(drawn[1]))


def test_every_product_has_a_place_for_each_heading(files):
    with pytest.raises(ValueError, match="for each heading"):
        draw_before_after([ProductStages(sku="A", text="", files=files[:2])], HEADINGS, "Shop")
    with pytest.raises(ValueError, match="Every product"):
        draw_before_after([], HEADINGS, "Shop")


@pytest.mark.parametrize(
    ("headings", "mark"),
    [
        (HEADINGS, TRAINED.replace("trained", "compositeWithTrained")),
        (HEADINGS[:2], TRAINED.replace("trainedAlgorithmicMedia", "algorithmicallyEnhanced")),
    ],
)
def test_the_file_says_whether_a_model_had_a_part_in_it(headings, mark, files, tmp_path):
    target = tmp_path / "sheet.png"
    shown = [ProductStages(sku="A", text="", files=files[: len(headings)])]
    write_before_after(target, shown, headings, "Shop")
    assert source_type(target) == mark
