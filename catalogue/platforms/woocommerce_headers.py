"""Headers of WooCommerce's export in other languages: it writes them in the administrator's.

Source: exports of shops in these languages, and plugins that read them. Only columns that are read
or that tell the export are here; attributes are numbered, and known by their words.
"""

import re
from collections.abc import Mapping

from catalogue.names import canonical

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "id": ("Identyfikator", "Kimlik", "Identifiant"),
    "type": ("Typ", "Tipo", "Tip", "Тип", "Tür", "Rodzaj", "Tyyppi", "Típus", "类型"),
    "sku": ("Artikelnummer", "UGS", "Código", "COD", "REF", "Артикул", "Stok kodu (SKU)",
            "Stok kodu", "Varenummer", "Katalogové číslo", "Tuotetunnus", "Cikkszám", "Cod produs",
            "SKU (Código)", "Numer katalogowy"),
    "name": ("Nom", "Nombre", "Nome", "Naam", "Nazwa", "Имя", "Название", "Назва", "Namn", "Navn",
             "İsim", "Ad", "Název", "Nimi", "Név", "Nume", "名称", "名前"),
    "published": ("Veröffentlicht", "Publié", "Publicado", "Pubblicato", "Gepubliceerd",
                  "Opublikowano", "Opublikowany", "Опубликован", "Опубликовано", "Опубліковано",
                  "Publicerad", "Publiceret", "Udgivet", "Publisert", "Yayımlanmış", "Yayınlanmış",
                  "Publikováno", "Zveřejněno", "Julkaistu", "Közzétéve", "Publicat", "已发布",
                  "公開済み"),
    "is_featured": ("Ist hervorgehoben?", "Empfohlen?", "Mis en avant ?", "¿Está destacado?",
                    "¿Destacado?", "In primo piano?", "Uitgelicht?", "Em destaque?",
                    "Wyróżniony produkt?", "Wyróżniony?", "Рекомендуемый?", "Рекомендовано?",
                    "Utvald?", "Är utvald?", "Öne çıkan?", "Öne çıkarılmış mı?"),
    "visibility_in_catalog": (
        "Sichtbarkeit im Katalog", "Visibilité dans le catalogue", "Visibilidad en el catálogo",
        "Visibilità nel catalogo", "Zichtbaarheid in catalogus", "Visibilidade no catálogo",
        "Widoczność w katalogu", "Видимость в каталоге", "Видимість в каталозі",
        "Synlighet i katalog", "Synlighet i katalogen", "Synlighed i katalog",
        "Katalogda görünürlük", "Viditelnost v katalogu", "Vizibilitate în catalog", "目录可见性",
    ),
    "short_description": (
        "Kurzbeschreibung", "Description courte", "Descripción corta", "Breve descrizione",
        "Korte omschrijving", "Korte beschrijving", "Descrição curta", "Descrição breve",
        "Krótki opis", "Краткое описание", "Короткое описание", "Короткий опис", "Kort beskrivning",
        "Kort beskrivelse", "Kısa açıklama", "Krátký popis", "Lyhyt kuvaus", "Rövid leírás",
        "Descriere scurtă", "简短描述",
    ),
    "description": ("Beschreibung", "Descripción", "Descrizione", "Beschrijving", "Omschrijving",
                    "Descrição", "Opis", "Описание", "Опис", "Beskrivning", "Beskrivelse",
                    "Açıklama", "Popis", "Kuvaus", "Leírás", "Descriere", "描述"),
    "regular_price": ("Regulärer Preis", "Normaler Preis", "Tarif régulier", "Prix régulier",
                      "Precio normal", "Precio regular", "Prezzo di listino", "Reguliere prijs",
                      "Normale prijs", "Preço", "Preço normal", "Preço regular", "Cena",
                      "Cena regularna", "Базовая цена", "Звичайна ціна", "Ordinarie pris",
                      "Normalpris", "Ordinær pris", "Normal fiyat", "Běžná cena", "Normaali hinta",
                      "Preț obișnuit", "常规售价", "通常価格"),
    "categories": ("Kategorien", "Catégories", "Categorías", "Categorie", "Categorieën",
                   "Categorias", "Kategorie", "Категории", "Категорії", "Kategorier", "Kategoriler",
                   "Kategoriat", "Osastot", "Kategóriák", "Categorii", "分类", "カテゴリー"),
    "tags": ("Schlagwörter", "Étiquettes", "Etiquetas", "Tag", "Tagi", "Метки", "Позначки",
             "Etiketter", "Etiketler", "Štítky", "Etichete", "标签"),
    "images": ("Bilder", "Imágenes", "Immagini", "Immagine", "Afbeeldingen", "Imagens", "Obrazki",
               "Изображения", "Зображення", "Billeder", "Görseller", "Obrázky", "Kuvat", "Képek",
               "Imagini", "图片", "画像"),
    "parent": ("Übergeordnetes Produkt", "Übergeordnet", "Superior", "Genitore", "Hoofd",
               "Bovenliggend", "Ascendente", "Produto ascendente", "Element nadrzędny",
               "Nadrzędny", "Родительский", "Предок", "Överordnad", "Förälder", "Forælder",
               "Overordnet", "Forelder", "Ebeveyn", "Nadřazený", "Nadřazené", "Isäntä", "Szülő",
               "Părinte", "父级", "親"),
    "brands": ("Marken", "Marke", "Marques", "Marcas", "Marchi", "Merken", "Marki", "Бренды",
               "Бренди", "Varumärken", "Markalar", "Značky", "Tuotemerkit", "Mărci", "品牌"),
}  # fmt: skip
_WRITTEN = {canonical(one): name for name, written in _HEADERS.items() for one in written}

_ATTRIBUTE = re.compile(
    r"at+rib|atrybut|ат+рибут|nitelik|öznitelik|vlastnost|eigenschap|egenskap|ominaisuus|tulajdonság"
    r"|ιδιότητα|属性"
)
_NAME = re.compile(
    r"name|nom|nombre|nome|naam|nazwa|имя|назва|название|namn|navn|ismi|adı|název|nimi|nev|név|nume"
    r"|όνομα|名称|名前"
)
_VALUE = re.compile(
    r"wert|valeur|valor|waarde|wartoś|знач|värde|værdi|verdi|değer|hodnot|arvo|érték|valoare|τιμ|值|値"
)
_NUMBER = re.compile(r"(?<!\d)\d{1,2}(?!\d)")


def english_header(column: str) -> str | None:
    """Return the canonical English name of a translated header; None for any other.

    `Übergeordnetes Produkt` is `parent`, `Attribut 1 Wert(e)` is `attribute_1_value_s`.
    """
    name = canonical(column)
    return _WRITTEN.get(name) or _of_attribute(name)


def _of_attribute(name: str) -> str | None:
    number = _NUMBER.search(name)
    if not number or not _ATTRIBUTE.search(name):
        return None
    rest = _ATTRIBUTE.sub("", name)
    # First: a value's header may hold the word for a name, too.
    if _VALUE.search(rest):
        return f"attribute_{int(number[0])}_value_s"
    return f"attribute_{int(number[0])}_name" if _NAME.search(rest) else None
