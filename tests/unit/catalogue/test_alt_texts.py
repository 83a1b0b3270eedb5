"""What stands for an image where it is not seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.alt_texts import LONGEST, alt_text_of, shortened
from catalogue.sheets.model import SheetRow

COLUMNS = {"title": "Titel", "color": "Farbe", "material": "Material", "brand": "Marke"}


def written(prompt="", **cells):
    return alt_text_of(SheetRow(line=2, cells=cells), COLUMNS, prompt=prompt)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (
            {"Titel": "Kaai Harbour Mug 350ml - SKU HM-0042 ⭐ Free Shipping!", "Marke": "Kaai"},
            "Harbour Mug",
        ),
        (
            {"Titel": "Hafenbecher", "Farbe": "Dunkelblau", "Material": "Steingut"},
            "Hafenbecher, Dunkelblau, Steingut",
        ),
        # What the title says is not said again.
        ({"Titel": "Dark blue mug", "Farbe": "dark blue"}, "Dark blue mug"),
        ({"Titel": "マグカップ", "Farbe": "青"}, "マグカップ, 青"),
    ],
)
def test_it_is_the_title_and_what_else_is_seen(cells, expected):
    assert written(**cells) == expected


def test_a_row_without_a_title_has_its_prompt():
    assert written(prompt="a red\n mug", Farbe="red") == "a red mug"
    assert written(prompt="a red mug", Titel="4006381333931") == "a red mug"


def test_attributes_that_do_not_fit_are_left_out_whole():
    title = "mug " * 29
    text = written(Titel=title.strip(), Farbe="blue", Material="stoneware")
    assert text.endswith("mug, blue")


@given(st.text(max_size=400))
def test_it_is_never_longer_than_screen_readers_read(text):
    short = shortened(text)
    assert len(short) <= LONGEST
    assert text.startswith(short)
