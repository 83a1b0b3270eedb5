"""Mappings that are proposed: by names in many languages, by contents, and never silently."""

import pytest

from catalogue.proposals import propose, signature_of, sure_columns
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_sheet


def proposed(text: str) -> dict[str, tuple[str, bool]]:
    return {one.field: (one.column, one.is_sure) for one in propose(read_sheet(text.encode()))}


@pytest.mark.parametrize(
    "header",
    [
        "Artikel-Nr.;Bezeichnung;Farbe;Bild-URL;Warengruppe;Preis",
        "Référence;Libellé;Couleur;Lien image;Catégorie;Prix",
        "Referencia;Nombre;Color;Imagen;Categoría;Precio",
        "Codice articolo;Denominazione;Colore;Immagine;Categoria;Prezzo",
        "Artikelcode;Omschrijving;Kleur;Afbeelding;Categorie;Prijs",
        "Kod produktu;Nazwa;Kolor;Zdjęcie;Kategoria;Cena",
        "Código do produto;Nome do produto;Cor;Imagem;Categoria;Preço",
        "Artikelnummer;Benämning;Färg;Bild;Kategori;Pris",
        "Varenummer;Varenavn;Farve;Billede;Kategori;Pris",
        "Katalogové číslo;Název produktu;Barva;Obrázek;Kategorie;Cena",
        "Артикул;Наименование;Цвет;Фото;Категория;Цена",
        "商品コード;商品名;色;画像;カテゴリ;価格",
        "货号;商品名称;颜色;图片;类别;价格",
    ],
)
def test_names_of_a_dozen_languages_are_known(header):
    row = "A-{0};Tasse;rot;https://x.test/{0}.jpg;Tassen;9,90"
    text = "\n".join([header, *(row.format(number) for number in range(3))])
    found = proposed(text)
    columns = header.split(";")
    fields = ("sku", "title", "color", "image", "type", "price")
    assert {name: found[name][0] for name in fields} == dict(zip(fields, columns, strict=True))
    # What is read already, as titles and their like are, is not proposed again.
    assert all(found[name][1] for name in ("sku", "color", "image"))


def test_contents_tell_what_names_do_not():
    rows = [
        f"K{number}-{number},4006381333931,https://x.test/{number}.png,{colour},19.90,{text} mug"
        for number, (colour, text) in enumerate(
            [("red", "A tall"), ("dark blue", "The small"), ("grün", "My best")]
        )
    ]
    found = proposed("\n".join(["a,b,c,d,e,f", *rows]))
    assert found["image"] == ("c", True)
    assert found["ean"] == ("b", True)
    assert found["price"][0] == "e"
    # A column of colours may be anything's, and codes may be others' codes.
    assert found["color"] == ("d", False)
    assert found["sku"] == ("a", False)
    assert found["title"] == ("f", False)


def test_a_name_that_contents_contradict_is_no_longer_sure():
    (image,) = [
        one
        for one in propose(read_sheet(b"sku,Bild\nA,see folder\nB,see folder\n"))
        if one.field == "image"
    ]
    assert not image.is_sure
    assert "few of its cells" in image.reason


def test_what_is_sure_is_taken_and_what_is_read_already_is_not_proposed_again():
    sheet = read_sheet(b"Artikel-Nr.;title;Wert\nA-1;Mug;3\nA-2;Vase;4\n")
    assert sure_columns(sheet) == {"sku": "Artikel-Nr."}
    used = [one for one in propose(sheet) if one.is_used]
    assert [(one.field, one.confidence) for one in used] == [("title", 1.0)]


def test_a_columns_place_and_case_do_not_change_a_signature():
    assert signature_of(["SKU", "Farbe "]) == signature_of(["farbe", "sku"])
    assert signature_of(["sku"]) != signature_of(["sku", "farbe"])


def test_a_products_width_is_proposed_for_nothing():
    text = "sku,prompt,Width,Depth\nA,a,8.5,3\nB,b,7.5,3\n"
    assert "width" not in proposed(text)


def test_nothing_is_mapped_unless_somebody_says_so():
    text = b"Artikel-Nr.;Bezeichnung;Farbe;d\nA-1;Mug;red;x y\nA-2;Vase;blue;z y\n"
    assert "sku" not in read_sheet(text).reading.columns
    sheet = read_sheet(text, hints=Hints(takes_sure=True))
    assert sheet.reading.columns == {
        "sku": "Artikel-Nr.", "title": "Bezeichnung", "color": "Farbe",
    }  # fmt: skip
    assert "sku from 'Artikel-Nr.'" in sheet.notes[-1].message


def test_what_the_caller_says_wins_over_proposals():
    text = b"Artikel-Nr.;EAN-Code;title\nA-1;x1;Mug\nA-2;x2;Vase\n"
    sheet = read_sheet(text, hints=Hints(takes_sure=True, columns={"sku": "EAN-Code"}))
    assert sheet.reading.columns["sku"] == "EAN-Code"
