"""What the platforms' readers share: finding columns, and the fields that rows are given."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from catalogue.issues import Issue, Issues
from catalogue.names import canonical
from catalogue.prompts.attributes import APPEARANCE, meaning_of
from catalogue.prompts.markup import plain_name
from catalogue.prompts.mentions import colours_of
from catalogue.prompts.titles import tidy
from catalogue.prompts.values import LONGEST_VALUE, MOST_LISTED, clean, listed_values
from catalogue.prompts.vocabulary import COLOR, SIZE
from catalogue.sheets.model import SheetRow

LOOK = tuple(name for name in APPEARANCE if name != SIZE)
"""Fields whose words are in a prompt, the more telling first."""

FIELDS = ("title", "type", *APPEARANCE, "description", "brand")
"""What every row of a platform's export has beside its SKU; empty where the export says nothing."""

WRITTEN_TITLE = "written_title"
"""Beside `title`, which is cleaned: the title as the sheet writes it."""

PLACES = ("id", "handle", "kind", "parent")
"""Columns that say how an export's rows belong together; a translated one calls them otherwise."""

_NO_CATEGORIES = {
    "uncategorized", "uncategorised", "unkategorisiert", "non classé", "sin categorizar",
    "sin categoría", "senza categoria", "geen categorie", "sem categoria", "bez kategorii",
    "all", "all products", "home", "home page", "frontpage", "featured", "sale", "new",
    "new arrivals", "bestsellers", "angebote", "neu", "soldes", "promo", "ofertas", "rebajas",
}  # fmt: skip
"""Categories and collections that say nothing of what a product is."""

_MOSTLY = 0.8
"""Of an option's values that name a colour, where its name says nothing."""
_SHOWN_LINES = 5
_SPACE = re.compile(r"\s+")
_COMMA = re.compile(r"(?<!\\),")


class Columns:
    """A sheet's columns, found by any of their usual names."""

    def __init__(self, columns: Iterable[str], named: Mapping[str, str]) -> None:
        """Set the columns.

        Args:
            columns: As the sheet writes them.
            named: Those that the caller named, by packshot's names; they win over usual ones.
        """
        self.all = list(columns)
        self._written = {
            # Of two that differ in signs or case, the first is the export's own.
            canonical(column).removeprefix("g_"): column
            for column in reversed(self.all)
        }
        self._named = named
        self._names: dict[str, str] = {}

    def find(self, field_name: str, *usual: str) -> str | None:
        """Return the column of a field: the caller's, else the first of its usual names."""
        if field_name in self._named:
            return self.named(field_name)
        return self.usual(*usual)

    def named(self, field_name: str) -> str | None:
        """Return the column that the caller named for a field; None also where he says none."""
        return self._named.get(field_name) or None

    def usual(self, *names: str) -> str | None:
        """Return the first column that is there, of these canonical names."""
        return next((self._written[name] for name in names if name in self._written), None)

    def pairs(self, names: Iterable[tuple[str, Sequence[str]]]) -> list[tuple[str, str]]:
        """Return the columns of options' names and values that are both there.

        Args:
            names: Canonical: of a name, and of its value.
        """
        found = ((self.usual(name), self.usual(*values)) for name, values in names)
        return [(name, value) for name, value in found if name and value]

    def translated(self, translate: Callable[[str], str | None]) -> "Columns":
        """Return these columns, found by further names too.

        Args:
            translate: The canonical name of a column that is written in another language.
        """
        columns = Columns(self.all, self._named)
        own = set(columns._written)
        for column in reversed(self.all):
            name = translate(column)
            if name and name not in own:
                columns._written[name] = column
                columns._names[column] = name
        return columns

    def name_of(self, column: str) -> str:
        """Return the canonical name by which a column is found, the translated one first."""
        return self._names.get(column) or canonical(column)

    def has(self, *names: str) -> int:
        """Count how many of these canonical names are there."""
        return sum(name in self._written for name in names)

    def beginning(self, *beginnings: str) -> str | None:
        """Return the first column whose canonical name begins so."""
        found = (column for name, column in self._written.items() if name.startswith(beginnings))
        return next(found, None)


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """A platform's rows, read."""

    rows: Sequence[SheetRow]
    columns: Mapping[str, str]
    """The sheet's column by the field that it gave."""
    notes: Sequence[Issue] = field(default_factory=tuple)
    """What was left out or made up, in sentences."""
    issues: Issues = field(default_factory=Issues)
    """What is wrong with rows that are not among these."""


def text_of(value: Any) -> str:
    """Return a cell as text on one line; nothing for an empty one."""
    return "" if value is None else _SPACE.sub(" ", str(value)).strip()


def kind_of(*categories: Any) -> str:
    """Return what a product is by its categories: the last name of the longest path.

    `Sale` and `Home > Kitchen > Mugs` are `Mugs`. Names that say nothing are left out, numbers too.
    """
    # Read whole: some write the signs between the names as `&gt;`, too.
    paths = [[name.strip() for name in name_of(path).split(">")] for path in categories]
    telling = [path for path in paths if path[-1].lower() not in _NO_CATEGORIES]
    kind = max(telling, key=len, default=[""])[-1]
    # Google's own categories may be numbers, which draw nothing.
    return "" if kind.isdigit() else kind


def several(value: Any) -> list[str]:
    """Split a list with commas; one that belongs to a name has a backslash before it."""
    return [one.replace("\\,", ",").strip() for one in _COMMA.split(text_of(value))]


def name_of(value: Any) -> str:
    """Return a title or a type as text without markup."""
    return plain_name(text_of(value))


def take_options(
    fields: dict[str, Any], options: Iterable[tuple[str, str]], meanings: Mapping[str, str]
) -> None:
    """Fill fields that are still empty from the options that mean them.

    Two of one kind are both seen, such as the colours of a frame and of its lenses.

    Args:
        fields: What is known already; it holds.
        options: Names and values.
        meanings: The field of each option's name, as `option_meanings` finds it.
    """
    found: dict[str, list[str]] = {}
    for name, value in options:
        meaning = meanings.get(name)
        if meaning and not text_of(fields.get(meaning)):
            found.setdefault(meaning, []).append(value)
    for meaning, values in found.items():
        fields[meaning] = values[0] if meaning == SIZE else " and ".join(dict.fromkeys(values))


def option_meanings(options: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the field of every option of a sheet that is known, by its name or its values.

    An option of an unknown name is a colour where nearly all of its values name one (`Variant`:
    `Red`, `Dark blue`).
    """
    values: dict[str, set[str]] = {}
    for name, value in options:
        values.setdefault(name, set()).add(value)
    return {
        name: meaning
        for name, found in values.items()
        if (meaning := meaning_of(name) or (COLOR if _are_colours(found) else None))
    }


def _are_colours(values: Iterable[str]) -> bool:
    words = [value for value in values if clean(value)]
    named = sum(bool(colours_of(value[:LONGEST_VALUE])) for value in words)
    return bool(words) and named >= _MOSTLY * len(words)


class Choices:
    """Values that a product as a whole lists, of which its image can have few."""

    def __init__(self) -> None:
        self._lines: list[int] = []

    def take(self, value: str, line: int) -> str:
        """Return what is drawn of a list: all of two, the first of more, which is noted."""
        values = listed_values(name_of(value))
        if len(values) <= MOST_LISTED:
            return " and ".join(values)
        self._lines.append(line)
        return values[0]

    def notes(self) -> list[Issue]:
        """Report of which rows only the first value is drawn."""
        return note(
            list(dict.fromkeys(self._lines)),
            "The product lists several values of an attribute; its image has the first of them",
            "{number} rows list several values of an attribute; their images have the first of "
            "them",
        )


def slug(*parts: Any) -> str:
    """Join what is given to a name without blanks."""
    texts = (text_of(part) for part in parts)
    return "-".join(_SPACE.sub("-", text) for text in texts if text)


def complete(**fields: Any) -> dict[str, str]:
    """Return all fields as texts, empty where nothing is known.

    The title is cleaned, and there as it was written, too. The look is in words: without
    placeholders, codes and prices.
    """
    texts = dict.fromkeys(FIELDS, "") | {name: text_of(value) for name, value in fields.items()}
    texts[WRITTEN_TITLE] = texts["title"]
    texts["title"] = tidy(texts["title"], texts["brand"])
    return texts | {name: clean(texts[name], colour=name == "color") for name in LOOK}


def look_of(row: SheetRow, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a row of a plain sheet, which has the columns of some.

    Args:
        row: Of the sheet.
        columns: The sheet's by packshot's names.
    """
    texts = {name: text_of(row.get(columns.get(name))) for name in FIELDS}
    texts["title"] = name_of(texts["title"])
    texts["type"] = kind_of(*several(texts["type"]))
    return complete(**texts)


def with_written_titles(rows: Iterable[SheetRow]) -> list[SheetRow]:
    """Return rows of an export whose titles are not cleaned."""
    return [replace(row, fields={**row.fields, "title": row.fields[WRITTEN_TITLE]}) for row in rows]


def listed(columns: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out the fields that no column gives."""
    return {name: column for name, column in columns.items() if column is not None}


def note(lines: Sequence[int], one: str, several: str) -> list[Issue]:
    """Report something about rows; nothing when there are none.

    Args:
        lines: Of the file.
        one: The sentence for one row, which stands beside its line.
        several: The one for more, with `{number}`; the first of their lines are put behind it.
    """
    if len(lines) < 2:
        return [Issue(line=line, message=f"{one}.") for line in lines]
    sentence = several.format(number=f"{len(lines):,}")
    shown = ", ".join(str(line) for line in lines[:_SHOWN_LINES])
    more = ", …" if len(lines) > _SHOWN_LINES else ""
    message = f"{sentence} (lines {shown}{more})."
    return [Issue(line=None, message=message)]
