"""What people call the columns of product sheets, in some fifteen languages."""

import re
from collections.abc import Mapping

from catalogue.platforms.photograph import OF_PLAIN
from catalogue.platforms.plain import USUAL

PRICE, EAN = "price", "ean"
"""Columns that are told apart so that nothing else is taken from them."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "sku": (
        "sku", "item number", "item no", "item code", "product code", "article number",
        "part number", "style number", "artikelnummer", "artikel nr", "art nr", "artnr",
        "artikelnr", "bestellnummer", "produktnummer", "référence", "reference", "réf", "ref",
        "code article", "code produit", "referencia", "código", "codigo", "código de artículo",
        "codice", "codice articolo", "codice prodotto", "cod articolo", "artikelcode",
        "productcode", "indeks", "kod produktu", "numer katalogowy", "symbol", "referência",
        "código do produto", "varenummer", "varenr", "kód", "kód produktu", "katalogové číslo",
        "артикул", "код", "код товара", "品番", "商品コード", "商品番号", "型番", "货号",
        "商品编码", "编号", "stok kodu", "ürün kodu", "cikkszám", "cod produs", "tuotekoodi",
        "tuotenumero",
    ),
    "title": (
        *USUAL["title"], "article name", "description courte", "libellé", "libelle", "intitulé",
        "denominación", "denominazione", "descrizione articolo", "omschrijving", "artikelnaam",
        "benämning", "varunamn", "varenavn", "produkttekst", "název", "název produktu",
        "nazwa towaru", "наименование товара", "наименование", "製品名", "タイトル", "产品名称",
        "商品名称", "名称", "ürün adı", "terméknév", "megnevezés", "denumire", "tuotenimi",
        "nimi", "item", "artikel", "produkt", "produit", "producto", "prodotto", "produto",
        "товар", "designação",
    ),
    "type": (
        *USUAL["type"], "product group", "gruppe", "artikelgruppe", "famille", "familia",
        "famiglia", "rubrique", "varugrupp", "varegruppe", "skupina", "grupa", "группа", "分類",
        "类别", "品类", "kategória", "tuoteryhmä",
    ),
    "brand": (
        *USUAL["brand"], "fabrikant", "producent", "fabbricante", "fabricante", "fabricant",
        "výrobce", "значка", "производитель", "メーカー", "ブランド", "品牌", "marcă", "gyártó",
    ),
    "description": (
        "description", "long description", "details", "beschreibung", "produktbeschreibung",
        "langtext", "descriptif", "description longue", "descripción", "descrizione",
        "beschrijving", "opis", "descrição", "beskrivning", "beskrivelse", "popis", "описание",
        "説明", "商品説明", "描述", "商品描述", "açıklama", "leírás", "descriere", "kuvaus",
    ),
    "image": (
        *OF_PLAIN, "bild", "bilder", "bild url", "bildlink", "foto", "fotos", "bildadresse",
        "photo produit", "lien image", "url image", "imagen", "imágenes", "url imagen",
        "immagine", "immagini", "afbeelding", "afbeeldingen", "zdjęcie", "zdjęcia", "imagem",
        "imagens", "billede", "billeder", "bildlänk", "obrázek", "obrázky", "фото", "изображение",
        "картинка", "ссылка на фото", "画像", "写真", "画像url", "图片", "主图", "görsel", "kép",
        "imagine", "kuva",
    ),
    PRICE: (
        "price", "unit price", "rrp", "msrp", "preis", "vk", "uvp", "prix", "precio", "prezzo",
        "prijs", "cena", "preço", "pris", "цена", "価格", "値段", "价格", "售价", "fiyat", "ár",
        "preț", "hinta",
    ),
    EAN: (
        "ean", "gtin", "upc", "barcode", "ean13", "isbn", "strichcode", "code barre",
        "codigo de barras", "codice a barre", "streepjescode", "kod kreskowy", "streckkod",
        "stregkode", "čárový kód", "штрихкод", "штрих код", "jan", "バーコード", "条形码",
        "barkod", "vonalkód",
    ),
}  # fmt: skip
"""By field; of a product's look `catalogue.prompts.attributes.meaning_of` knows the words."""

_OTHER = re.compile(r"[\W_]+")


def folded_name(name: str) -> str:
    """Fold a name of a column: `Artikel-Nr.` is `artikel nr`."""
    return _OTHER.sub(" ", name.casefold()).strip()


FIELD_OF: Mapping[str, str] = {
    folded_name(name): field for field, names in reversed(list(NAMES.items())) for name in names
}
"""The field of each name."""
