"""What looks wrong with a sheet as a whole: destroyed SKUs, rows that look alike."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from catalogue.issues import Issue, Issues
from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.platforms.fields import FIELDS, text_of
from catalogue.prompts.attributes import are_sizes, folded, meaning_of, without_sizes
from catalogue.prompts.vocabulary import MISSING
from catalogue.sheets.model import SheetRow

_MONTHS = "Jan|Feb|Mar|Mär|Mrz|Apr|May|Mai|Jun|Jul|Aug|Sep|Oct|Okt|Nov|Dec|Dez"
_ERRORS = r"N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|NV|BEZUG!|WERT!"
_LOST = (
    (
        re.compile(r"\d(?:[.,]\d+)?[Ee]\+\d+"),
        "numbers that a spreadsheet shortened: their last digits are lost",
    ),
    (
        re.compile(r"[1-9]\d{14}0{1,5}"),
        "numbers of more than the 15 digits that a spreadsheet keeps: the rest became zeros",
    ),
    (
        re.compile(r"\d{4,}[.,]0"),
        "numbers that a program wrote with a fraction: `.0` was added",
    ),
    (
        re.compile(rf"#(?:{_ERRORS})|#{{2,}}"),
        "errors of a spreadsheet, or columns that were too narrow",
    ),
    (
        re.compile(rf"\d{{1,2}}(?:-|\. )(?:{_MONTHS})|(?:{_MONTHS})[- ]\d{{2}}"),
        "dates that a spreadsheet made of them",
    ),
)
"""What spreadsheets write in the place of a SKU, and what happened to it."""
_SHOWN_SKUS = 5


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
    return [_destroyed(what, places, column) for what, places in found.items()]


def _destroyed(what: str, places: list[tuple[int, str]], column: str) -> Issue:
    lines = ", ".join(str(line) for line, _ in places[:_SHOWN_SKUS])
    more = ", …" if len(places) > _SHOWN_SKUS else ""
    word = "line" if len(places) == 1 else "lines"
    number = "1 SKU looks" if len(places) == 1 else f"{len(places):,} SKUs look"
    message = (
        f"{number} like {what} ({places[0][1]!r}; {word} {lines}{more}). Format the column as text "
        "in the spreadsheet, fill it in again from its source, and export it again."
    )
    return Issue(line=places[0][0], column=column, message=message)


_SHOWN_VALUES = 4
_SHOWN_LINES = 5
_SHOWN_PROMPT = 100


@dataclass(kw_only=True)
class _Differing:
    """What rows of equal prompts differ in, over all prompts where it is the same."""

    names: Sequence[str]
    """Of the options, as the sheet writes them."""
    example: str
    """The first prompt."""
    values: Mapping[str, Sequence[str]]
    """The example's, by name."""
    lines: list[int] = field(default_factory=list)
    prompts: int = 0
    rows: int = 0


def tell_lookalikes(
    rows: Iterable[tuple[SheetRow, str]], *, title: str | None, warnings: Issues, notes: Issues
) -> None:
    """Report which rows differ in an option or attribute although their prompts are equal.

    Args:
        rows: Every row with its prompt.
        title: The column of titles, of which prompts leave out what says nothing of a look.
        warnings: Where it is said of what an image should show.
        notes: Where it is said of sizes, which rightly share an image.
    """
    shown: dict[tuple[str, ...], _Differing] = {}
    hidden: dict[tuple[str, ...], _Differing] = {}
    by_prompt: dict[str, list[SheetRow]] = defaultdict(list)
    for row, prompt in rows:
        by_prompt[prompt].append(row)
    for prompt, alike in by_prompt.items():
        if len(alike) > 1:
            differing = differences(alike, title)
            visible = {
                name: values
                for name, values in differing.items()
                if name != title and is_visible(name, values)
            }
            _gather(shown if visible else hidden, visible or differing, prompt, alike)
    for found in shown.values():
        warnings.add(_warning(found))
    for found in hidden.values():
        notes.add(_note(found))


def _gather(
    found: dict[tuple[str, ...], _Differing],
    differing: Mapping[str, Sequence[str]],
    prompt: str,
    alike: Sequence[SheetRow],
) -> None:
    if not differing:
        return
    names = tuple(sorted(map(canonical, differing)))
    one = found.setdefault(
        names, _Differing(names=list(differing), example=prompt, values=differing)
    )
    one.prompts += 1
    one.rows += len(alike)
    if one.prompts == 1:
        one.lines = [row.line for row in alike]


def differences(rows: Sequence[SheetRow], title: str | None) -> Mapping[str, Sequence[str]]:
    """Return what rows of equal prompts differ in: their options, else their titles.

    Args:
        rows: At least two.
        title: The column of titles.

    Returns:
        The values of each, by the name that the first row gives it.
    """
    return _differing(rows) or _differing_titles(rows, title)


def is_visible(name: str, values: Sequence[str]) -> bool:
    """Check whether values differ in more than sizes, alone or beside what is seen: `Red / M`."""
    return not are_sizes(name, values) and len({folded(without_sizes(one)) for one in values}) > 1


def _differing(rows: Sequence[SheetRow]) -> dict[str, Sequence[str]]:
    """Return the options in which rows differ, by the name that the first of them gives."""
    written: dict[str, str] = {}
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        for name, value in _attributes(row):
            key = canonical(name) or name
            written.setdefault(key, name)
            values[key].setdefault(folded(value), value)
    return {written[key]: list(found.values()) for key, found in values.items() if len(found) > 1}


def _differing_titles(rows: Sequence[SheetRow], title: str | None) -> dict[str, Sequence[str]]:
    titles = {folded(text): text for row in rows if title and (text := text_of(row.get(title)))}
    return {title: list(titles.values())} if title and len(titles) > 1 else {}


def _attributes(row: SheetRow) -> Iterator[tuple[str, str]]:
    """Yield what a row says of its look: its options, else cells whose columns are called so."""
    for name, cell in (row.options or row.cells).items():
        if not row.options and (canonical(name) in KNOWN or not meaning_of(name)):
            continue
        value = text_of(cell)
        if value and folded(value) not in MISSING:
            yield name, value


def _warning(found: _Differing) -> str:
    one = found.prompts == 1
    return (
        f"{found.rows:,} rows differ in {_named(found)}, but {'have' if one else 'share'} "
        f"{'the same prompt' if one else f'{found.prompts:,} prompts'}, and so get "
        f"{'the same image' if one else 'the same images'}: “{_shortened(found.example)}” "
        f"({_lines(found)}). Use {_expressions(found.names)} in a template, or write their prompts."
    )


def _note(found: _Differing) -> str:
    return (
        f"{found.rows:,} rows differ only in {_named(found)}, which an image does not show, and "
        f"share {found.prompts:,} image{'' if found.prompts == 1 else 's'} ({_lines(found)})."
    )


def _named(found: _Differing) -> str:
    parts = []
    for name, values in found.values.items():
        more = ", …" if len(values) > _SHOWN_VALUES else ""
        shown = ", ".join(map(_shortened, values[:_SHOWN_VALUES]))
        parts.append(f"{name!r} ({shown}{more})")
    return " and ".join(parts)


def _lines(found: _Differing) -> str:
    shown = found.lines[:_SHOWN_LINES]
    return f"lines {', '.join(map(str, shown))}{', …' if found.rows > len(shown) else ''}"


def _expressions(names: Sequence[str]) -> str:
    return " and ".join(_expression(name) for name in names)


def _expression(name: str) -> str:
    """Write how a template names an option; the fields are called as some options are."""
    variable = canonical(name)
    if variable.isidentifier() and variable not in FIELDS:
        return f"{{{{ {variable} }}}}"
    return f"{{{{ row[{name!r}] }}}}"


def _shortened(prompt: str) -> str:
    return prompt if len(prompt) <= _SHOWN_PROMPT else prompt[: _SHOWN_PROMPT - 1] + "…"
