"""SKUs that a spreadsheet took for numbers or dates: their own characters are lost."""

import re
from collections.abc import Iterable

from catalogue.issues import Issue

_MONTHS = "Jan|Feb|Mar|Mär|Mrz|Apr|May|Mai|Jun|Jul|Aug|Sep|Oct|Okt|Nov|Dec|Dez"
_ERRORS = r"N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|NV|BEZUG!|WERT!"
_LOST = (
    (
        re.compile(r"\d(?:[.,]\d+)?[Ee]\+\d+"),
        "numbers that a spreadsheet shortened: their last digits are lost",
    ),
    (
        re.compile(r"[1-9]\d{14}0{1,5}"),
        "numbers of more than the 15 digits that a spreadsheet keeps: the others are zeros",
    ),
    (
        re.compile(r"\d{4,}[.,]0"),
        "numbers that a program wrote with a fraction: `.0` is not theirs",
    ),
    (
        re.compile(rf"#(?:{_ERRORS})|#{{2,}}"),
        "a spreadsheet's errors, or its columns that were too narrow",
    ),
    (
        re.compile(rf"\d{{1,2}}(?:-|\. )(?:{_MONTHS})|(?:{_MONTHS})[- ]\d{{2}}"),
        "dates that a spreadsheet made",
    ),
)
"""What spreadsheets write in the place of a SKU, and what happened to it."""
_SHOWN = 5


def find_destroyed(skus: Iterable[tuple[int, str]], column: str) -> list[Issue]:
    """Find SKUs that look as if a spreadsheet had destroyed them, and say so by kind.

    Args:
        skus: Each with its line.
        column: The sheet's column that has them.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for line, sku in skus:
        # Nearly every SKU is none of these, and begins with a letter.
        if sku[:1].isdigit() or sku[:1] == "#" or sku[:3] in _MONTHS:
            for pattern, what in _LOST:
                if pattern.fullmatch(sku):
                    found.setdefault(what, []).append((line, sku))
                    break
    return [_say(what, places, column) for what, places in found.items()]


def _say(what: str, places: list[tuple[int, str]], column: str) -> Issue:
    lines = ", ".join(str(line) for line, _ in places[:_SHOWN])
    more = ", …" if len(places) > _SHOWN else ""
    word = "line" if len(places) == 1 else "lines"
    number = "1 SKU looks" if len(places) == 1 else f"{len(places):,} SKUs look"
    message = (
        f"{number} like {what} ({places[0][1]!r}; {word} {lines}{more}). Make the column text in "
        "the spreadsheet, fill it in again from where it came, and export it anew."
    )
    return Issue(line=places[0][0], column=column, message=message)
