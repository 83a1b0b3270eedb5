"""What the columns of a CSV are called: which are read, which are one, and which are left out."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from catalogue.issues import Issue, Issues
from catalogue.mapping import KNOWN
from catalogue.names import canonical
from catalogue.results import OUTCOME
from catalogue.sheets.model import check_names

_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"
_SINGLE = {*KNOWN, "id", "title", "handle", "url_handle", "variant_sku", "name", "type"}
"""Columns whose texts cannot be joined where a sheet has two of a name."""
_FILES = re.compile(r"file_name|[\w.]+_(?:file|url|note)")
"""Columns of results.csv that say something of files."""
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Header:
    """The columns of a CSV."""

    line: int
    written: Sequence[str]
    """All cells of the line."""
    columns: Sequence[str | None]
    """By position, as far as there are names; None: not read."""
    warnings: Sequence[Issue]
    is_result: bool
    """Whether the sheet is packshot's own results.csv."""

    @property
    def names(self) -> list[str]:
        """The names of columns that are read, each once."""
        return list(dict.fromkeys(name for name in self.columns if name))


def read_header(cells: Sequence[str], line: int) -> Header:
    """Read the names of columns.

    Columns without a name are left out, with a warning. Those of the same name are one, unless
    packshot reads them. The columns that results.csv adds to a sheet are left out: it can be sent
    again.

    Raises:
        InvalidSheetError: There are too many, or two that are read have the same name.
    """
    written = [cell.strip(_INVISIBLE).strip() for cell in cells]
    names = list(written)
    while names and not names[-1]:
        names.pop()
    check_names(names, line=line)
    own = _own(names)
    columns = [None if number in own or not name else name for number, name in enumerate(names)]
    _check_repeated([name for name in columns if name], line)
    warnings = _unnamed([number for number, name in enumerate(names, start=1) if not name], line)
    if own:
        message = (
            "This is a results.csv of packshot: its columns from 'variant' on, and the variants of "
            "a row beyond the first, are left out."
        )
        warnings.append(Issue(line=line, column=None, message=message))
    return Header(
        line=line, written=written, columns=columns, warnings=warnings, is_result=bool(own)
    )


def _own(names: Sequence[str]) -> set[int]:
    """Find the columns that results.csv has behind the sheet's own."""
    beginnings = [
        number for number in range(len(names)) if tuple(names[number : number + 3]) == OUTCOME[:3]
    ]
    if not beginnings:
        return set()
    return {
        number
        for number in range(beginnings[-1], len(names))
        if names[number] in OUTCOME or _FILES.fullmatch(names[number])
    }


def _check_repeated(names: Sequence[str], line: int) -> None:
    issues = Issues()
    for name, times in Counter(map(canonical, names)).items():
        if times > 1 and name in _SINGLE:
            same = [column for column in names if canonical(column) == name]
            issues.add(
                f"{times} columns have the same name ({', '.join(map(repr, same))}): rename or "
                "remove all but one.",
                line=line,
                column=same[0],
            )
    issues.raise_if_any()


def _unnamed(numbers: Sequence[int], line: int) -> list[Issue]:
    if not numbers:
        return []
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")
    what = f"Column {shown} has" if len(numbers) == 1 else f"Columns {shown} have"
    message = f"{what} no name and {'is' if len(numbers) == 1 else 'are'} not read."
    return [Issue(line=line, column=None, message=message)]
