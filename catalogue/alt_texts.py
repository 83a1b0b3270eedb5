"""Alternative texts: what stands for an image where it is not seen (WCAG 2.2, 1.1.1).

A product's title without codes and sales, then what is seen of it that the title does not say:
`Harbour Mug, dark blue, stoneware`. The words are the sheet's own, set apart by commas, which reads
the same in each of the shops' languages; nothing says that it is an image, as screen readers do.
"""

from collections.abc import Iterable, Mapping

from catalogue.platforms.fields import LOOK, look_of, name_of
from catalogue.platforms.plain import titled_columns
from catalogue.prompts.attributes import folded
from catalogue.prompts.titles import has_words, tidy
from catalogue.sheets.model import SheetRow

LONGEST = 125
"""Characters: some screen readers break there."""
MOST_STORED = 512
"""Characters that somebody may write: what Shopify takes."""


def columns_of_look(written: Iterable[str], known: Mapping[str, str]) -> Mapping[str, str]:
    """Return the columns of a sheet by packshot's names, those that prompts do not need, too.

    Args:
        written: The sheet's, as it writes them.
        known: Those that were found when it was read.
    """
    if known.get("title"):
        return known
    prompted = ("prompt", "template")
    others = {name: column for name, column in known.items() if name not in prompted}
    return titled_columns(written, others) or known


def alt_text_of(row: SheetRow, columns: Mapping[str, str], *, prompt: str = "") -> str:
    """Return the alternative text of a row's images; empty where nothing is known of it.

    Args:
        row: Of the sheet.
        columns: Of `columns_of_look`.
        prompt: Stands in where the row has no title.
    """
    known = row.fields if row.fields.get("title") else look_of(row, columns)
    title = tidy(name_of(known.get("title", "")), str(known.get("brand") or ""))
    if not title or not has_words(title):
        return shortened(" ".join(prompt.split()))
    parts = [title]
    for name in LOOK:
        value = str(known.get(name) or "").strip()
        if value and folded(value) not in folded(", ".join(parts)):
            parts.append(value)
    return _fitting(parts)


def _fitting(parts: list[str]) -> str:
    """Join as many parts as fit, whole; the title is cut if it alone does not."""
    text = parts[0]
    for part in parts[1:]:
        if len(text) + len(part) + 2 <= LONGEST:
            text = f"{text}, {part}"
    return shortened(text)


def shortened(text: str) -> str:
    """Cut a text behind a word, at most `LONGEST` characters long."""
    if len(text) <= LONGEST:
        return text
    cut = text[: LONGEST + 1]
    # Languages without blanks have no such place.
    head = cut.rpartition(" ")[0] or cut[:LONGEST]
    return head.rstrip(" ,;:-–—")
