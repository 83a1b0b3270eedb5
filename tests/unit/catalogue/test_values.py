"""Values of attributes: what is said of a look, in words, or nothing."""

import pytest

from catalogue.prompts.values import clean, listed_values


@pytest.mark.parametrize(
    "value",
    [
        "N/A", "n.a.", "-", "None", "See product page", "as shown", "Default Title", "TBD",
        "Various", "0", "1", "012", "Color 1", "Colour #2", "Farbe 3", "Style B", "XL", "38",
        "Wählen", "🔴",
        "", "Assorted colours", "siehe Produktseite", "Please choose", "Available in 3 colours",
        "(sold out)", "RAL 9010", "A", "12,50 €",
    ],
)  # fmt: skip
def test_placeholders_numbers_and_sizes_are_no_colour(value):
    assert clean(value, colour=True) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("#FF0000", "red"),
        ("#fff", "white"),
        ("rgb(0,0,0)", "black"),
        ("RGBA(20, 60, 230, 0.5)", "blue"),
        ("0a0f50", "navy blue"),
        ("BLK/WHT", "black and white"),
        ("01 Black", "Black"),
        ("Noir 012", "Noir"),
        ("Black / M", "Black"),
        ("Black | White", "Black and White"),
        ("Red (sold out)", "Red"),
        ("Blue/Blau/Bleu", "Blue"),
        ("red red", "red"),
        ("Rouge / Red / White", "Rouge and White"),
        ("Black - ausverkauft", "Black"),
        ("Red 🔴", "Red"),
        ("Red (+$10)", "Red"),
        ("Red &amp;amp; Cr&egrave;me", "Red & Crème"),
        ("Navy (dark)", "Navy dark"),
        ("Colour: Green", "Green"),
        ("Blau (RAL 5002)", "Blau"),
        ("Stone Washed Ind. Blue 32/34", "Stone Washed Ind. Blue"),
        ("Off-White", "Off-White"),
        ("Purple Rain", "Purple Rain"),
        ("decade", "decade"),
        ("빨강", "빨강"),
        ("赤", "赤"),
    ],
)
def test_a_colour_keeps_its_words(value, expected):
    assert clean(value, colour=True) == expected


def test_a_material_keeps_no_shares_and_no_codes():
    assert clean("80% Cotton, 20 % Polyester") == "Cotton and Polyester"
    assert clean("925 Silver") == "Silver"
    assert clean("MAT-0042") == ""


def test_a_list_is_parted_where_shops_part_it():
    assert listed_values("Red, Blue | Green;Black") == ["Red", "Blue", "Green", "Black"]
    assert listed_values("White\\, matt, Black") == ["White, matt", "Black"]
