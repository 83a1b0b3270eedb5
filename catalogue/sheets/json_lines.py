"""JSONL, and rows that came as JSON: one object per product."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from catalogue.issues import Issue, Issues, refuse
from catalogue.sheets.encoding import decode
from catalogue.sheets.model import Hints, Reading, Room, Sheet, SheetFormat, SheetRow, check_names

# Not splitlines(): it also splits at U+2028, which JSON text may hold. Empty lines are passed over.
_LINE = re.compile(r"\S[^\n]*+\n?")


def read_json_lines(content: bytes, hints: Hints | None = None, room: Room | None = None) -> Sheet:
    """Read one JSON object per line; empty lines are skipped.

    Raises:
        InvalidSheetError: There are no objects, or too many.
    """
    room = room or Room()
    decoded = decode(content, hints.encoding if hints else None)
    room.check_json(decoded.text)
    issues = Issues()
    rows = []
    number, end = 1, 0
    for found in _LINE.finditer(decoded.text):
        number += decoded.text.count("\n", end, found.start())
        line, end = found[0], found.start()
        try:
            rows.append(_row(number, parse_json(line), room))
        except (ValueError, RecursionError) as error:
            room.take(0, line=number)
            issues.add(_reason(error, line), line=number)
    reading = Reading(format=SheetFormat.JSON_LINES, encoding=decoded.encoding)
    return _sheet(rows, reading, issues, decoded.warnings)


def take_rows(values: Iterable[Any], room: Room | None = None) -> Sheet:
    """Take rows that were sent as JSON; their numbers, from 1, stand for lines.

    Raises:
        InvalidSheetError: There are no objects among them, or too many.
    """
    room = room or Room()
    issues = Issues()
    rows = []
    for number, value in enumerate(values, start=1):
        try:
            rows.append(_row(number, value, room))
        except ValueError as error:
            room.take(0, line=number)
            issues.add(str(error), line=number)
    return _sheet(rows, Reading(format=SheetFormat.JSON), issues)


def parse_json(text: str | bytes) -> Any:
    """Read JSON as RFC 8259 has it: no NaN, no Infinity.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _row(number: int, value: Any, room: Room) -> SheetRow:
    if not isinstance(value, Mapping):
        raise ValueError(
            "One JSON object per row is wanted, such as "
            '{"sku": "MUG-1", "prompt": "a red mug on a white background"}.'
        )
    room.take(len(value), line=number)
    return SheetRow(line=number, cells=value)


def _reason(error: Exception, line: str) -> str:
    if isinstance(error, RecursionError):
        return "The JSON is nested too deeply."
    if isinstance(error, json.JSONDecodeError):
        if line.strip() in ("[", "{", "]", "}") or line.strip().endswith(("{", "[")):
            return (
                "The line is no complete JSON object: JSONL has one whole object per line, "
                "without a list around them."
            )
        return f"The line is no JSON ({error.msg}, at character {error.colno})."
    return str(error)


def _sheet(
    rows: Sequence[SheetRow], reading: Reading, issues: Issues, warnings: Sequence[Issue] = ()
) -> Sheet:
    if not rows:
        issues.raise_if_any()
        refuse("The sheet has no rows: there is nothing to make.")
    columns = list(dict.fromkeys(name for row in rows for name in row.cells))
    check_names(columns)
    return Sheet(
        columns=columns,
        rows=rows,
        reading=reading,
        warnings=warnings,
        fixed_columns=False,
        issues=issues,
    )
