"""Which column of a sheet may mean what: proposed by names and by contents, with the reasons.

Nothing is taken silently: a proposal is applied where somebody says so, and `mapping: auto` takes
those alone that are sure.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.platforms.fields import LOOK, text_of
from catalogue.platforms.photograph import address_in
from catalogue.prompts.attributes import is_size, meaning_of
from catalogue.prompts.mentions import colours_of
from catalogue.prompts.vocabulary import COLOR, SIZE
from catalogue.proposed_names import EAN, FIELD_OF, PRICE, folded_name
from catalogue.sheets.model import Sheet

SURE = 0.8
"""Confidence from which on a proposal is sure."""
_LEAST = 0.3
_LOOKED_AT = 200
"""Rows."""
_LONGEST = 200
"""Characters of a cell that are looked at."""
_MOSTLY = 0.8
_EXAMPLES = 3

_PRICE_VALUE = re.compile(
    r"(?:[€$£¥₽]|EUR|USD|GBP|CHF|PLN|SEK|DKK|CZK|zł|kr)?\s*\d{1,6}(?:[.,' ]\d{3})*[.,]\d{2}\s*"
    r"(?:[€$£¥₽]|EUR|USD|GBP|CHF|PLN|SEK|DKK|CZK|zł|kr)?",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?=.*\d)[\w./-]{2,40}")
_PICTURE = re.compile(r"\.(?:jpe?g|png|webp|avif|gif|tiff?)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a column may be."""

    field: str
    """packshot's name; also `price`, `ean` and `size`, which no image is made of."""
    column: str
    confidence: float
    """From 0 to 1."""
    reason: str
    """A sentence for people."""
    examples: Sequence[str]
    is_used: bool
    """Whether the column is read as this already."""

    @property
    def is_sure(self) -> bool:
        """Check whether it may be applied without a look at it."""
        return self.confidence >= SURE


def signature_of(columns: Sequence[str]) -> str:
    """Return what tells kinds of sheets apart: their columns' names, in whatever order."""
    names = sorted(set(map(canonical, columns)))
    return sha256("\n".join(names).encode()).hexdigest()


def propose(sheet: Sheet) -> list[Proposal]:
    """Propose what the columns of a sheet mean, each field once and the surest column for it."""
    used = {column: name for name, column in sheet.reading.columns.items()}
    found = [
        one
        for column in sheet.columns
        for one in _of_column(column, _values(sheet, column), used.get(column))
    ]
    best: dict[str, Proposal] = {}
    taken: set[str] = set()
    for one in sorted(found, key=lambda one: (not one.is_used, -one.confidence)):
        if one.field not in best and one.column not in taken:
            best[one.field] = one
            taken.add(one.column)
    order = {column: number for number, column in enumerate(sheet.columns)}
    return sorted(best.values(), key=lambda one: order[one.column])


def sure_columns(sheet: Sheet) -> dict[str, str]:
    """Return the columns that are surely what they seem, by packshot's names."""
    return {
        one.field: one.column
        for one in propose(sheet)
        if one.is_sure and not one.is_used and one.field not in (PRICE, EAN)
    }


def _values(sheet: Sheet, column: str) -> list[str]:
    cells = (text_of(row.cells.get(column))[:_LONGEST] for row in islice(sheet.rows, _LOOKED_AT))
    return [cell for cell in cells if cell]


def _of_column(column: str, values: Sequence[str], used: str | None) -> list[Proposal]:
    """Return what a column may be, by its name and by its cells."""
    examples = list(dict.fromkeys(value[:60] for value in values))[:_EXAMPLES]

    def proposal(field: str, confidence: float, reason: str, *, is_used: bool = False) -> Proposal:
        return Proposal(
            field=field, column=column, confidence=round(confidence, 2), reason=reason,
            examples=examples, is_used=is_used,
        )  # fmt: skip

    if used is not None:
        return [proposal(used, 1.0, "It is read as this.", is_used=True)]
    if canonical(column) in KNOWN:
        # Left out by whoever knew better: a product's width is no image's.
        return []
    said, exact = _by_name(column)
    shown = {field: share for field, share in _by_contents(values).items() if share >= _MOSTLY}
    found = []
    if said:
        found.append(proposal(said, *_judge_name(said, exact=exact, shown=shown, values=values)))
    found += [
        proposal(field, _BY_CONTENTS[field][1] * share, f"{share:.0%} of its cells {what}.")
        for field, share in shown.items()
        if field != said
        for what in [_BY_CONTENTS[field][2]]
    ]
    return [one for one in found if one.confidence >= _LEAST]


def _by_name(column: str) -> tuple[str | None, bool]:
    """Return the field that a name says, and whether the whole name does."""
    name = folded_name(column)
    if field := FIELD_OF.get(name):
        return field, True
    if (meaning := meaning_of(column)) in (*LOOK, SIZE):
        return meaning, True
    words = name.split()
    parts = (
        " ".join(words[begin:end])
        for length in range(len(words) - 1, 0, -1)
        for begin in range(len(words) - length + 1)
        for end in [begin + length]
    )
    found = next(filter(None, (FIELD_OF.get(part) for part in islice(parts, 100))), None)
    return found, False


def _judge_name(
    field: str, *, exact: bool, shown: Mapping[str, float], values: Sequence[str]
) -> tuple[float, str]:
    name = "Its name says so" if exact else "A word of its name says so"
    confidence = 0.9 if exact else 0.65
    if not values:
        return min(confidence, 0.5), f"{name}, but its cells are empty."
    if field in shown:
        return min(0.99, confidence + 0.2), f"{name}, and {_BY_CONTENTS[field][2]} in its cells."
    if field in ("image", COLOR) and field in _BY_CONTENTS:
        # What such cells hold can be told: elsewhere it may be a folder, or a number.
        return confidence - 0.35, f"{name}, but few of its cells {_BY_CONTENTS[field][2]}."
    if field == "sku" and len(set(values)) < len(values):
        return confidence - 0.1, f"{name}, though some rows have the same."
    return confidence, f"{name}."


def _by_contents(values: Sequence[str]) -> dict[str, float]:
    """Return which share of cells is what, for all that cells alone can tell."""
    if not values:
        return {}
    shares = {
        field: sum(map(check, values)) / len(values)
        for field, (check, _, _) in _BY_CONTENTS.items()
    }
    distinct = len({*values}) / len(values)
    if shares[EAN] >= _MOSTLY or shares[PRICE] >= _MOSTLY or shares[SIZE] >= _MOSTLY:
        shares["sku"] = 0
    shares["sku"] = shares["sku"] if distinct == 1 and len(values) > 1 else 0
    shares["title"] = shares["title"] if distinct > 0.5 else 0
    return shares


def _is_ean(value: str) -> bool:
    """Check a GTIN's length and check digit (GS1 General Specifications, 7.9)."""
    if len(value) not in (8, 12, 13, 14) or not value.isdecimal() or not value.isascii():
        return False
    weights = (3 if place % 2 else 1 for place in range(len(value)))
    return sum(w * int(d) for w, d in zip(weights, reversed(value), strict=False)) % 10 == 0


def _is_title(value: str) -> bool:
    words = value.split()
    return 2 <= len(words) <= 20 and "//" not in value and sum(map(str.isalpha, words)) >= 1


def _is_colour(value: str) -> bool:
    return len(value.split()) <= 3 and bool(colours_of(value))


def _is_picture(value: str) -> bool:
    address = address_in(value)
    return bool(address and _PICTURE.search(address))


_BY_CONTENTS: Mapping[str, tuple[Callable[[str], bool], float, str]] = {
    "image": (_is_picture, 0.9, "are addresses of pictures"),
    EAN: (_is_ean, 0.9, "are GTINs (EAN, UPC) with their check digit"),
    PRICE: (lambda value: bool(_PRICE_VALUE.fullmatch(value)), 0.8, "are prices"),
    COLOR: (_is_colour, 0.75, "name a colour"),
    SIZE: (is_size, 0.6, "are sizes"),
    "sku": (lambda value: bool(_CODE.fullmatch(value)), 0.6, "are codes, each another"),
    "title": (_is_title, 0.5, "are some words"),
}
"""How each is told, how sure that is without a name, and what is said of it."""
