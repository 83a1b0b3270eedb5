"""WooCommerce writes its export's headers in the administrator's language."""

import pytest

from catalogue.platforms.woocommerce_headers import english_header
from catalogue.sheets.model import Hints, SheetSource
from catalogue.sheets.readers import read_sheet
from tests.unit.catalogue.orders import make_order

ATTRIBUTES = {
    "de": ("Attribut {} Name", "Attribut {} Wert(e)"),
    "fr": ("Nom de l’attribut {}", "Valeur(s) de l’attribut {} "),
    "es": ("Nombre del atributo {}", "Valor(es) del atributo {}"),
    "it": ("Nome dell'attributo {}", "Valore dell'attributo {}"),
    "nl": ("Naam eigenschap {}", "Waarde eigenschap {}"),
    "pt": ("Nome do atributo {}", "Valores do atributo {}"),
    "pl": ("Nazwa atrybutu {}", "Wartości atrybutu {}"),
    "ru": ("Имя атрибута {}", "Значение(-я) аттрибута(-ов) {}"),
    "uk": ("Назва {} атрибуту", "{} значення атрибуту"),
    "sv": ("Attribut {} namn", "Attribut {} värde(n)"),
    "tr": ("Nitelik {} ismi", "Nitelik {} değer(ler)i"),
    "ro": ("Nume atribut {}", "Valoare (valori) atribut {}"),
    "zh": ("属性 {} 名称", "属性 {} 值"),
}
"""Headers of an attribute's name and values."""

HEADERS = {
    "de": "ID,Typ,Artikelnummer,Name,Veröffentlicht,Kategorien,Übergeordnetes Produkt",
    "fr": "ID,Type,UGS,Nom,Publié,Catégories,Parent",
    "es": "ID,Tipo,SKU,Nombre,Publicado,Categorías,Superior",
    "it": "ID,Tipo,SKU,Nome,Pubblicato,Categorie,Genitore",
    "nl": "ID,Type,Artikelnummer,Naam,Gepubliceerd,Categorieën,Hoofd",
    "pt": "ID,Tipo,SKU,Nome,Publicado,Categorias,Ascendente",
    "pl": "Identyfikator,Typ,SKU,Nazwa,Opublikowano,Kategorie,Element nadrzędny",
    "ru": "ID,Тип,Артикул,Имя,Опубликован,Категории,Родительский",
    "uk": "ID,Тип,Артикул,Назва,Опубліковано,Категорії,Предок",
    "sv": "ID,Typ,Artikelnummer,Namn,Publicerad,Kategorier,Överordnad",
    "tr": "Kimlik,Tür,Stok kodu (SKU),İsim,Yayımlanmış,Kategoriler,Ebeveyn",
    "ro": "ID,Tip,SKU,Nume,Publicat,Categorii,Părinte",
    "zh": "ID,类型,SKU,名称,已发布,分类,父级",
}


@pytest.mark.parametrize("language", HEADERS)
def test_an_export_is_read_in_its_administrators_language(limits, language):
    attributes = [one.format(number) for number in (1, 2) for one in ATTRIBUTES[language]]
    header = ",".join([HEADERS[language], *attributes])
    text = (
        f"{header}\n"
        '1,variable,CAP,Kepi,1,A > Hat,,Color,"Red, Blue",Size,"S, M"\n'
        '2,variation,CAP-R,"Kepi - Red, S",1,,CAP,Color,Red,Size,S\n'
        '3,variation,CAP-B,"Kepi - Blue, S",1,,id:1,Color,Blue,Size,S\n'
        "4,simple,VAS,Vase,0,A > Deko,,Material,Oak,,\n"
    )
    sheet = read_sheet(text.encode(), name="export.csv", hints=Hints())
    assert sheet.reading.source is SheetSource.WOOCOMMERCE
    wanted = make_order(sheet, {}, limits).wanted
    assert [
        (one.sku, one.spec.prompt.removesuffix(" on a white background")) for one in wanted
    ] == [
        ("CAP-R", "red kepi, hat"),
        ("CAP-B", "blue kepi, hat"),
        ("VAS", "oak vase, deko"),
    ]
    # What a variation takes over from its product is what it does in English.
    assert "CAP" not in sheet.rows[0].product.values()
    assert sheet.rows[0].product.get(HEADERS[language].split(",")[5]) == "A > Hat"


def test_numbers_and_words_tell_an_attributes_columns():
    found = {
        "Attribut 12 Name": "attribute_12_name",
        "Attribut 2 Wert(e)": "attribute_2_value_s",
        "Attribut 1 Sichtbar": None,
        "Attribut 1 Global": None,
        "Attribut Name": None,
        "Atributo visible 1": None,
        "Hodnota vlastnosti 3": "attribute_3_value_s",
        "Name": None,
        "Notes 1": None,
    }
    assert {column: english_header(column) for column in found} == found


@pytest.mark.parametrize(
    "header",
    [
        "Typ,Name,Artikelnummer,Kategorien,Bilder,prompt",
        "Artikelnummer,Name,Farbe,Beschreibung,prompt",
        "Tipo,Nombre,SKU,Categorías,Imágenes,prompt",
    ],
)
def test_a_list_of_ones_own_in_another_language_is_no_export(header):
    text = f"{header}\n{','.join('x' for _ in header.split(','))}\n"
    assert read_sheet(text.encode(), name="list.csv").reading.source is SheetSource.PLAIN


def test_columns_that_are_named_win_over_translated_headers(limits):
    text = "ID,Typ,Artikelnummer,Name,Veröffentlicht,Kategorien,EAN\n1,simple,A,Vase,1,Deko,B\n"
    sheet = read_sheet(text.encode(), name="a.csv", hints=Hints(columns={"sku": "EAN"}))
    assert [one.sku for one in make_order(sheet, {}, limits).wanted] == ["B"]
