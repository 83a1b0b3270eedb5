"""results.csv: the sheet's own columns, and what became of each image."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OUTCOME = (
    *("variant", "status", "error", "error_code", "retry_helps"),
    *("image", "seed", "cache", "seconds", "warning"),
)
"""The columns that follow the sheet's own."""

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """One line."""

    row: Mapping[str, Any]
    """The sheet's cells."""
    variant: int
    status: str
    error: str | None
    error_code: str | None
    retry_helps: bool | None
    """Whether asking for the same image again may succeed; None: it has not failed."""
    image: str | None
    """Path of its URL."""
    seed: int
    cache: str
    seconds: float | None
    warning: str | None
    files: Sequence[str | None] = ()
    """What the further columns say of its files."""


def neutralise(text: str) -> str:
    """Keep spreadsheets from taking a cell for a formula (CWE-1236): an apostrophe goes first."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def restore(text: str) -> str:
    """Take away the apostrophe that `neutralise` put there."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULA) else text


def format_header(columns: Sequence[str], further: Sequence[str] = ()) -> str:
    """Write the first line; `further` names the columns of `Outcome.files`."""
    return _format([[*map(neutralise, columns), *OUTCOME, *further]])


def format_lines(columns: Sequence[str], outcomes: Iterable[ResultLine]) -> str:
    """Write one line per image (RFC 4180, CRLF)."""
    return _format(
        [
            *(neutralise(_cell(outcome.row.get(column))) for column in columns),
            *(neutralise(_cell(getattr(outcome, name))) for name in OUTCOME),
            *(neutralise(_cell(text)) for text in outcome.files),
        ]
        for outcome in outcomes
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _format(lines: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(lines)
    return buffer.getvalue()
