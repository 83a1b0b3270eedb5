"""Which of a sheet's addresses is the photograph of a row's product."""

from pathlib import Path

import pytest

from catalogue.platforms.photograph import address_in
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_rows, read_sheet
from core.errors import InvalidSheetError

EXAMPLES = Path(__file__).parents[3] / "examples" / "platforms"
CDN = "https://cdn.example.com"


def addresses(text: str, **columns: str) -> list[str]:
    sheet = read_sheet(text.encode(), name="sheet.csv", hints=Hints(columns=columns))
    return [row.photograph for row in sheet.rows]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (f"{CDN}/a.jpg", f"{CDN}/a.jpg"),
        (f"  {CDN}/a.jpg\n", f"{CDN}/a.jpg"),
        ("//cdn.example.com/a.jpg", f"{CDN}/a.jpg"),
        ("HTTP://cdn.example.com/a.jpg", "HTTP://cdn.example.com/a.jpg"),
        # WooCommerce's list.
        (f"{CDN}/a.jpg, {CDN}/b.jpg", f"{CDN}/a.jpg"),
        (f"{CDN}/a.jpg,{CDN}/b.jpg", f"{CDN}/a.jpg"),
        (f"{CDN}/a.jpg; {CDN}/b.jpg", f"{CDN}/a.jpg"),
        (f"{CDN}/a.jpg|{CDN}/b.jpg", f"{CDN}/a.jpg"),
        (f", {CDN}/b.jpg", f"{CDN}/b.jpg"),
        (f"{CDN}/a.jpg,", f"{CDN}/a.jpg"),
        # Commas of the address itself.
        (f"{CDN}/w_200,h_300/a.jpg, {CDN}/b.jpg", f"{CDN}/w_200,h_300/a.jpg"),
        (rf"{CDN}/w_200\,h_300/a.jpg", f"{CDN}/w_200,h_300/a.jpg"),
        (f"{CDN}/a.jpg?src=https://other.example/b.jpg", f"{CDN}/a.jpg?src=https://other.example/b.jpg"),
        (f"{CDN}/a.jpg a mug from the side", f"{CDN}/a.jpg"),
        ([f"{CDN}/a.jpg", f"{CDN}/b.jpg"], f"{CDN}/a.jpg"),
        (["", None, 3, f"{CDN}/b.jpg"], f"{CDN}/b.jpg"),
        ("mug.jpg", ""),
        ("/v1/jobs/1/image", ""),
        ("see https://cdn.example.com/a.jpg", ""),
        ("ftp://cdn.example.com/a.jpg", ""),
        ('<img src="https://cdn.example.com/mug.jpg">', ""),
        ("https://", ""),
        (f"{CDN}/{'a' * 2000}.jpg", ""),
        ("", ""),
        (None, ""),
        (7, ""),
        ({"src": f"{CDN}/a.jpg"}, ""),
    ],
)  # fmt: skip
def test_the_first_address_of_a_cell_is_taken(cell, found):
    assert address_in(cell) == found


def test_a_variants_own_photograph_stands_before_its_products():
    head = (
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src,"
        "Image Position,Variant Image\n"
    )
    assert addresses(
        head
        + f"mug,Mug,Colour,Red,R,9,{CDN}/back.jpg,2,\n"
        # Shopify lists the product's photographs down its lines, whichever variants those are.
        + f"mug,,Colour,Blue,B,9,{CDN}/front.jpg,1,{CDN}/blue.jpg\n"
        + f"mug,,,,,,{CDN}/side.jpg,3,\n"
        + "jug,Jug,Colour,Red,J,9,,,\n"
        + f"cup,Cup,Colour,Red,C,9,,,\ncup,,,,,,{CDN}/cup.jpg,,\n"
    ) == [f"{CDN}/front.jpg", f"{CDN}/blue.jpg", "", f"{CDN}/cup.jpg"]  # fmt: skip


def test_a_variation_without_one_has_its_products():
    head = (
        "ID,Type,SKU,Name,Published,Regular price,Images,Parent,Attribute 1 name,"
        "Attribute 1 value(s)\n"
    )
    assert addresses(
        head
        + f'1,variable,CAP,Cap,1,,"{CDN}/cap.jpg, {CDN}/cap-2.jpg",,Color,"Red, Blue"\n'
        + "2,variation,CAP-R,Cap - Red,1,9,,CAP,Color,Red\n"
        + f"3,variation,CAP-B,Cap - Blue,1,9,{CDN}/blue.jpg,id:1,Color,Blue\n"
        + "4,simple,JUG,Jug,1,9,,,,\n"
    ) == [f"{CDN}/cap.jpg", f"{CDN}/blue.jpg", ""]


def test_woocommerces_column_has_other_names_in_other_languages():
    head = (
        "ID,Typ,Artikelnummer,Name,Veröffentlicht,Regulärer Preis,Bilder,Übergeordnetes Produkt\n"
    )
    assert addresses(head + f"1,simple,A,Tasse,1,9,{CDN}/a.jpg,\n") == [f"{CDN}/a.jpg"]


@pytest.mark.parametrize(
    "name", ["shopify.csv", "shopify-2025.csv", "woocommerce.csv", "google.tsv", "google-rss.xml"]
)
def test_rows_of_the_examples_have_theirs(name):
    sheet = read_sheet((EXAMPLES / name).read_bytes(), name=name)
    found = [row.photograph for row in sheet.rows]
    assert any(found)
    assert all(one.startswith("https://") for one in found if one)


@pytest.mark.parametrize("column", ["image", "Image URL", "photo", "Image Link", "images"])
def test_a_plain_sheets_column_is_known_by_its_name(column):
    assert addresses(f"sku,prompt,{column}\nA,a mug,{CDN}/a.jpg\nB,a jug,\n") == [
        f"{CDN}/a.jpg",
        "",
    ]


def test_another_column_can_be_named_and_none():
    sheet = f"sku,prompt,image,Foto\nA,a mug,{CDN}/a.jpg,{CDN}/b.jpg\n"
    assert addresses(sheet) == [f"{CDN}/a.jpg"]
    assert addresses(sheet, image="Foto") == [f"{CDN}/b.jpg"]
    assert addresses(sheet, image="") == [""]
    with pytest.raises(InvalidSheetError):
        addresses(sheet, image="Bild")


def test_what_templates_see_stays_the_same():
    sheet = read_sheet(
        f"sku,prompt,image,Foto\nA,a mug,{CDN}/a.jpg,{CDN}/b.jpg\n".encode(),
        name="sheet.csv",
        hints=Hints(columns={"image": "Foto"}),
    )
    assert sheet.rows[0].values()["image"] == f"{CDN}/a.jpg"


def test_rows_of_json_may_list_them():
    sheet = read_rows([{"sku": "A", "prompt": "a", "images": [f"{CDN}/a.jpg", f"{CDN}/b.jpg"]}])
    assert [row.photograph for row in sheet.rows] == [f"{CDN}/a.jpg"]
