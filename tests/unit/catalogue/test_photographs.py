"""Photographs in a sheet are told once: they are not used yet."""

from pathlib import Path

import pytest

from catalogue.photographs import note_photographs
from catalogue.sheets.readers import read_rows, read_sheet
from catalogue.validate import validate
from tests.unit.catalogue.models import only

EXAMPLES = Path(__file__).parents[3] / "examples" / "platforms"
URL = "https://cdn.example.com/mug.jpg"


def sheet_of(text: str | bytes, name: str = "sheet.csv"):
    return read_sheet(text if isinstance(text, bytes) else text.encode(), name=name)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("shopify.csv", "'Image Src' and 'Variant Image'"),
        ("shopify-2025.csv", "'Product image URL'"),
        ("woocommerce.csv", "'Images'"),
        ("google.tsv", "'image_link'"),
        ("google-rss.xml", "image_link'"),
    ],
)
def test_exports_of_shops_say_so_once(name, columns):
    (note,) = note_photographs(sheet_of((EXAMPLES / name).read_bytes(), name))
    assert note.message.startswith(
        "The photographs are not used: images are generated from text, unless the mode is "
        "`cutout`, `scene` or `edit` (--mode)."
    )
    assert columns in note.message


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Bild 1", "mug.JPG"),
        ("additional_image_link", "https://cdn.example.com/i?id=5"),
        ("Фото", "//cdn.example.com/1.webp"),
        ("asset", "https://cdn.example.com/mug.png?v=2"),
        ("Medien", "https://cdn.example.com/a.jpeg; https://cdn.example.com/b.jpeg"),
    ],
)
def test_columns_are_found_by_their_names_and_by_their_cells(column, cell):
    (note,) = note_photographs(sheet_of(f'sku,prompt,{column}\nA,a mug,"{cell}"\nB,a jug,\n'))
    assert (note.line, note.column) == (1, column)
    assert note.message.endswith(f"1 row has one, in {column!r}.")


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Image Position", "1"),
        ("Image Alt Text", "A red mug"),
        ("link", "https://shop.example.com/p/mug"),
        ("Body (HTML)", '<img src="https://cdn.example.com/mug.jpg">'),
        ("walmart_url", URL),
        ("web.avif_file", "MUG_1.jpg"),
        ("imagination", "none"),
    ],
)
def test_other_columns_are_not_taken_for_photographs(column, cell):
    quoted = cell.replace('"', '""')
    assert note_photographs(sheet_of(f'sku,prompt,{column}\nA,a mug,"{quoted}"\n')) == []


def test_rows_with_several_photographs_count_once():
    (note,) = note_photographs(
        sheet_of(f"sku,prompt,Image 1,Image 2\nA,a,{URL},{URL}\nB,b,{URL},\nC,c,,\n")
    )
    assert note.message.endswith("2 rows have one, in 'Image 1' and 'Image 2'.")


def test_rows_of_json_may_list_them():
    rows = [{"sku": "A", "prompt": "a", "images": [URL, URL]}, {"sku": "B", "prompt": "b"}]
    (note,) = note_photographs(read_rows(rows))
    assert note.line is None
    assert "1 row has one, in 'images'" in note.message


def test_the_note_is_one_of_the_sheets_warnings(limits):
    sheet = sheet_of("sku,prompt,images\n" + f"A,a mug,{URL}\n" * 50)
    order, issues = validate(sheet, {}, only(limits))
    assert not issues
    (warning,) = order.warnings
    assert "50 rows have one, in 'images'" in warning["message"]
