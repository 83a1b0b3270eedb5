"""Titles as shops write them, and what of them is said of a look."""

import pytest

from catalogue.prompts.titles import essential_first, has_words, tidy


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Kaai Harbour Mug 350ml - SKU HM-0042 ⭐ BESTSELLER ⭐ Free Shipping!", "Harbour Mug"),
        ("🔥 50% OFF 🔥 Sailor T-Shirt (Size XL) | Kaai | Unisex", "Sailor T-Shirt"),
        ("REF. 88213 / Tischlampe E27 max. 60W 230V IP20 (2er Set)", "Tischlampe"),
        ("Bottle 0,75 L x 6", "Bottle"),
        ('LAPTOP BACKPACK 15.6" BLACK - NEW 2025 COLLECTION™', "LAPTOP BACKPACK BLACK"),
        ("Chair (Set of 4) – 45 x 50 x 90 cm", "Chair"),
        ("[PREORDER] Anime Figure 1/7 Scale Ver.2", "Anime Figure"),
        ("mug  – copy", "mug"),
        ("Copy of Mug", "Mug"),
        ("Teapot, Teapot, Tea Pot, Kettle, Gift for Mom", "Teapot, Kettle"),
        ("ＭＵＧ　カップ", "MUG カップ"),
        ("Cap - Green - S", "Cap - Green"),
        ("6er-Pack Socken Gr. 39-42", "Socken"),
        ("Kostenloser Versand! Vase weiß, 20 cm", "Vase weiß"),
        ("Стиральная машина, 9 кг, белая", "Стиральная машина, белая"),
        ("Harbour mug by Kaai", "Harbour mug"),
        ("Kaai's mug", "mug"),
        ("Teppich 80 x 150cm (grau)", "Teppich (grau)"),
    ],
)
def test_noise_is_left_out(title, expected):
    assert tidy(title, "Kaai") == expected


@pytest.mark.parametrize(
    "title",
    [
        "3 in 1 jacket", "PS5 controller", "iPhone 15 Pro case", "New York poster",
        "Levi's 501 jeans", "Hot water bottle", "T-Shirt V-Neck", "Bed & Bath Vase",
        "Field watch, black",
        "24k gold ring",
        "Free People dress", "8-Port Switch", "3D puzzle",
        "Coffee/tea mug", "Salt & Pepper Mug",
        "Poster - Summer", "Top", "Kaai", "Size chart poster", "2 for 1",
    ],
)  # fmt: skip
def test_words_of_the_product_stay(title):
    assert tidy(title, "Kaai") == title


def test_a_title_without_a_word_stays_and_names_no_product():
    for title in ("4006381333931", "N/A", "A", "Test product - DO NOT BUY", "B07XKT4411", "-"):
        assert tidy(title) == title
        assert not has_words(title)
    for title in ("Mug", "M&M's", "カップ", "Testarossa model car", "WH-1000 headphones", "茶"):
        assert has_words(title)


def test_what_is_endless_takes_no_time_and_stays():
    for title in ("-" * 100_000, "mug " * 30_000, "1" * 100_000, "(" * 100_000):
        assert tidy(title) == " ".join(title.split())


@pytest.mark.parametrize(
    ("title", "kind", "expected"),
    [
        (
            "Home Collection - Ceramic - Harbour Mug",
            "Mugs",
            "Harbour Mug, Home Collection, Ceramic",
        ),
        ("Harbour Mug - Ceramic", "Mugs", "Harbour Mug - Ceramic"),
        ("Nordic Home | Kaffeetasse, blau", "Tassen", "Kaffeetasse, Nordic Home, blau"),
        ("Nordic Home - Ceramic", "Mugs", "Nordic Home - Ceramic"),
        ("Nordic Home - Mug", "", "Nordic Home - Mug"),
        ("", "Mugs", ""),
    ],
)
def test_what_the_product_is_comes_first_where_a_title_says_it_later(title, kind, expected):
    assert essential_first(title, kind) == expected
