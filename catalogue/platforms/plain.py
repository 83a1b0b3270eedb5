"""Plain sheets without prompts whose columns say enough to make some: title, colour, type."""

from collections.abc import Iterable, Mapping

from catalogue.attributes import meaning_of
from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.platforms.fields import LOOK

_USUAL: Mapping[str, tuple[str, ...]] = {
    "title": (
        "title", "product_title", "product_name", "item_name", "name", "product", "titel",
        "produktname", "produkttitel", "produktbezeichnung", "artikelname", "artikelbezeichnung",
        "bezeichnung", "titre", "nom", "nom_du_produit", "désignation", "título", "titulo",
        "nombre", "nombre_del_producto", "titolo", "nome", "nome_prodotto", "nome_do_produto",
        "naam", "productnaam", "nazwa", "nazwa_produktu", "namn", "produktnamn", "navn",
        "produktnavn", "название", "наименование", "название_товара", "商品名", "品名",
    ),
    "type": (
        "type", "product_type", "category", "categories", "product_category", "typ", "produkttyp",
        "kategorie", "kategorien", "produktkategorie", "warengruppe", "catégorie", "catégories",
        "categoría", "categoria", "categorie", "kategoria", "kategori", "категория", "カテゴリ",
    ),
    "brand": ("brand", "marke", "hersteller", "vendor", "manufacturer", "marque", "marca", "merk",
              "marka", "märke", "бренд"),
}  # fmt: skip


def titled_columns(columns: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of which prompts can be made, with what is known; empty without a title.

    Args:
        columns: As the sheet writes them.
        known: Those that are known already, by packshot's names; nothing is added where one of
            them holds prompts.
    """
    if "prompt" in known or "template" in known:
        return {}
    found = dict(known)
    written = {canonical(column): column for column in reversed(list(columns))}
    for name, usual in _USUAL.items():
        column = next((written[one] for one in usual if one in written), None)
        if column and name not in found:
            found[name] = column
    for name, column in reversed(written.items()):
        meaning = meaning_of(column)
        if meaning in LOOK and name not in KNOWN and column not in found.values():
            found.setdefault(meaning, column)
    return found if found.get("title") else {}
