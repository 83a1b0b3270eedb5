"""Which file beside a sheet is the photograph of which row."""

import pytest

from catalogue.photograph_files import match_files
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_sheet


def matched(sheet: str, *files: str, **columns: str):
    read = read_sheet(sheet.encode(), name="sheet.csv", hints=Hints(columns=columns))
    return match_files(read, files)


def pairs(sheet: str, *files: str, **columns: str) -> dict[int, str]:
    return dict(matched(sheet, *files, **columns).by_line)


@pytest.mark.parametrize(
    ("sku", "file"),
    [
        ("MUG-01", "MUG-01.jpg"),
        ("MUG-01", "mug_01.JPG"),
        ("MUG/01 Red", "photos/2024/mug-01-red.png"),
        ("MUG-01", "MUG-01-1.jpg"),
        ("MUG-01", "mug-01_main.jpg"),
        ("MUG-01", "mug-01 (2).jpg"),
        ("Größe-1", "größe1.webp"),
    ],
)
def test_a_file_called_like_a_sku_is_its(sku, file):
    assert pairs(f"sku,prompt\n{sku},a mug\n", file, "other.jpg") == {2: file}


@pytest.mark.parametrize("sku", ["MUG", "MUG-011", "UG-01", "-"])
def test_one_that_is_called_otherwise_is_not(sku):
    found = matched(f"sku,prompt\n{sku},a mug\n", "MUG-01-side-of-it.jpg")
    assert (found.by_line, found.unused) == ({}, ["MUG-01-side-of-it.jpg"])
    assert [row.line for row in found.rows_without] == [2]


def test_of_several_views_it_is_the_first_and_the_others_are_known_too():
    files = ["mug-10.jpg", "mug-2.jpg", "mug-back.jpg"]
    found = matched("sku,prompt\nMUG,a mug\n", *files)
    assert (found.by_line, found.unused) == ({2: "mug-2.jpg"}, [])
    found = matched("sku,prompt\nMUG,a mug\n", *files, "mug-main.jpg")
    assert found.by_line == {2: "mug-main.jpg"}
    found = matched("sku,prompt\nMUG,a mug\n", *files, "mug.jpg")
    assert found.by_line == {2: "mug.jpg"}


def test_a_view_of_one_product_may_be_another_product():
    sheet = "sku,prompt\nMUG,a mug\nMUG-2,a jug\n"
    found = matched(sheet, "MUG-2.jpg")
    assert found.by_line == {3: "MUG-2.jpg"}
    assert [row.line for row in found.rows_without] == [2]


def test_a_file_that_a_column_names_stands_before_one_called_like_the_sku():
    sheet = "sku,prompt,image\nA,a mug,Red Mug.jpg\nB,a jug,\nC,a cup,missing.jpg\n"
    files = ["a.jpg", "b.jpg", "c.jpg", "photos/red mug.JPG"]
    found = matched(sheet, *files)
    assert found.by_line == {2: "photos/red mug.JPG", 3: "b.jpg", 4: "c.jpg"}
    assert found.unused == ["a.jpg"]


@pytest.mark.parametrize(
    "cell",
    ["photos/mug.jpg", "C:\\photos\\mug.jpg", "https://cdn.example.com/i/mug.jpg?v=3", "MUG.jpg"],
)
def test_a_cell_may_be_a_path_or_an_address(cell):
    assert pairs(f"sku,prompt,photo\nA,a mug,{cell}\n", "photos/mug.jpg") == {2: "photos/mug.jpg"}


def test_another_column_may_name_files():
    sheet = "sku,prompt,Datei\nA,a mug,mug.jpg\n"
    assert pairs(sheet, "mug.jpg") == {}
    assert pairs(sheet, "mug.jpg", image="Datei") == {2: "mug.jpg"}


def test_what_is_not_clear_is_said_and_not_guessed():
    found = matched("sku,prompt\nMUG,a mug\n", "a/mug.jpg", "b/mug.png")
    assert (found.by_line, found.unused) == ({}, [])
    assert found.unclear == {"MUG": ["a/mug.jpg", "b/mug.png"]}
    sheet = "sku,prompt,image\nA,a mug,mug.jpg\nB,a jug,b/mug.jpg\n"
    found = matched(sheet, "a/mug.jpg", "b/mug.jpg")
    assert found.by_line == {3: "b/mug.jpg"}
    assert found.unclear == {"A": ["a/mug.jpg", "b/mug.jpg"]}


def test_skus_that_differ_in_signs_alone_need_a_column():
    found = matched("sku,prompt\nMUG-1,a mug\nMUG_1,a jug\n", "mug1.jpg")
    assert found.by_line == {}
    assert found.unused == ["mug1.jpg"]


def test_rows_with_one_sku_share_their_photograph():
    assert pairs("sku,prompt\nA,a mug\nA,a jug\n", "a.jpg") == {2: "a.jpg", 3: "a.jpg"}
