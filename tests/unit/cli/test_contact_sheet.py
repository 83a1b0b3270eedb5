"""The contact sheet."""

from pathlib import Path

import pytest
from PIL import Image

from cli.client.collection import Collection, Entry
from cli.client.records import BatchItem, BatchRecord
from cli.pictures.contact_sheet import (
    MOST_IMAGES,
    SCREEN,
    arrange,
    draw_contact_sheet,
    write_contact_sheet,
)
from tests.pictures import TRAINED, marks_of
from tests.unit.cli.server import png


def entry(number: int, file: Path | None, **changes: object) -> Entry:
    values: dict[str, object] = {
        "id": str(number),
        "line": number + 2,
        "sku": f"KIT-{number}",
        "variant": 1,
        "state": "succeeded" if file else "failed",
        "cache": "miss",
        "prompt": "a striped red mug on a white background, studio light, sharp focus",
        "error": None if file else "The model failed on this image each time it was tried.",
        "picture": None,
    }
    return Entry(item=BatchItem(**values | changes), file=file)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2, 7, 24, 56, MOST_IMAGES])
def test_the_grid_fits_a_screen_and_has_room_for_all(count: int) -> None:
    grid = arrange(count)
    assert grid.columns * grid.rows >= count
    assert grid.size[0] <= SCREEN[0]
    assert grid.size[1] <= SCREEN[1]
    assert grid.image >= 96


def test_images_are_in_their_order(tmp_path: Path) -> None:
    colours = ["red", "green", "blue"]
    entries = []
    for number, colour in enumerate(colours):
        file = tmp_path / f"{number}.png"
        file.write_bytes(png(colour, (20, 10)))
        entries.append(entry(number, file))
    sheet = draw_contact_sheet(entries, "three")
    grid = arrange(3)
    for number, colour in enumerate(colours):
        left, top = grid.corner(number)
        middle = (left + grid.image // 2, top + grid.image // 2)
        assert sheet.getpixel(middle) == Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        # Twice as wide as high: paper above and below.
        assert sheet.getpixel((left + grid.image // 2, top + 4)) == (255, 255, 255)


def test_odd_texts_do_not_break_it(tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    file.write_bytes(png())
    texts = ["", "x" * 500, "Überzug 靴 👟", "line\nbreak\ttab", " "]
    entries = [entry(at, file, sku=text, prompt=text) for at, text in enumerate(texts)]
    entries.append(entry(9, None))
    draw_contact_sheet(entries, "odd")


def test_a_large_batch_shows_its_first_images(tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    file.write_bytes(png())
    collection = Collection(
        batch=BatchRecord(id="b1", name="", total=1000, counts={}, warnings=[]),
        entries=[entry(number, file) for number in range(1000)],
        folder=tmp_path,
        seconds=1,
        waited=0,
    )
    written = write_contact_sheet(collection, "catalogue.csv")
    assert marks_of(written.read_bytes()) == {TRAINED}
    with Image.open(written) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width <= SCREEN[0]
        assert sheet.height <= SCREEN[1]


def test_a_batch_without_images_has_a_contact_sheet_too() -> None:
    assert draw_contact_sheet([], "nothing").width > 0
