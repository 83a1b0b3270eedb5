"""Plain sheets: columns of which prompts can be made, and files of other shops, told by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from catalogue.issues import Issue
from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.platforms.fields import LOOK
from catalogue.prompts.attributes import meaning_of
from catalogue.sheets.model import Sheet

USUAL: Mapping[str, tuple[str, ...]] = {
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
    written = {canonical(column): column for column in reversed(list(columns))}
    found = dict(known)
    for name, usual in USUAL.items():
        if column := next(filter(None, map(written.get, usual)), None):
            found.setdefault(name, column)
    for name, column in reversed(written.items()):
        if name not in KNOWN and column not in found.values() and meaning_of(column) in LOOK:
            found.setdefault(str(meaning_of(column)), column)
    return found if found.get("title") else {}


@dataclass(frozen=True, kw_only=True)
class _Shop:
    """How an export that is read as a plain sheet is known, and what its columns mean."""

    name: str
    known_by: Sequence[str]
    """Folded names of columns, all of which it has."""
    columns: Mapping[str, str]
    """Folded names by packshot's."""


_SHOPS = (
    _Shop(name="an Ecwid export", known_by=("product_internal_id", "product_name"),
          columns={"sku": "product_sku", "title": "product_name", "type": "product_category_1"}),
)  # fmt: skip


def note_foreign(sheet: Sheet, columns: Mapping[str, str]) -> list[Issue]:
    """Report whose export a plain sheet is, and what to name, where it lacks what makes images."""
    if "prompt" in columns or "template" in columns:
        return []
    written = {name: one for one in reversed(sheet.columns) if (name := _fold(one))}
    shop = next((one for one in _SHOPS if written.keys() >= set(one.known_by)), None)
    if shop is None:
        return []
    named = _say_columns(shop, written, columns)
    what = f"say what its columns are ({named}) and " if named else ""
    message = (
        f"This looks like {shop.name}, which is read as a plain sheet: {what}send a `template`, "
        'such as --template "{{ title }} on a white background". Rows of variants without a title '
        "need their product's."
    )
    return [Issue(line=sheet.line_of_columns, message=message)]


def _say_columns(shop: _Shop, written: Mapping[str, str], columns: Mapping[str, str]) -> str:
    found = {name: written.get(column) for name, column in shop.columns.items()}
    return " ".join(
        f'--column "{name}={column}"'
        for name, column in found.items()
        if column and columns.get(name) != column
    )


def _fold(column: str) -> str:
    # Magento's own columns begin with the sign that folding takes away.
    return f"_{canonical(column)}" if column.startswith("_") else canonical(column)
