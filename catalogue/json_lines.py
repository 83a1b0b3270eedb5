"""JSONL, and rows that came as JSON: one object per product."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from catalogue.encoding import decode
from catalogue.issues import Issue, Issues, refuse
from catalogue.sheet import Format, Hints, Reading, Row, Sheet, check_names


def read_json_lines(content: bytes, hints: Hints | None = None) -> Sheet:
    """Read one JSON object per line; empty lines are skipped.

    Raises:
        InvalidSheetError: naming each line that is no JSON object.
    """
    decoded = decode(content, hints.encoding if hints else None)
    issues = Issues()
    rows = []
    # Not splitlines(): it also splits at U+2028, which JSON text may hold.
    for number, line in enumerate(decoded.text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_row(number, parse_json(line)))
        except (ValueError, RecursionError) as error:
            issues.add(_reason(error, line), line=number)
    issues.raise_if_any()
    reading = Reading(format=Format.JSON_LINES, encoding=decoded.encoding)
    return _sheet(rows, reading, decoded.warnings)


def take_rows(values: Iterable[Any]) -> Sheet:
    """Take rows that were sent as JSON; their numbers, from 1, stand for lines.

    Raises:
        InvalidSheetError: naming each row that is no object.
    """
    issues = Issues()
    rows = []
    for number, value in enumerate(values, start=1):
        try:
            rows.append(_row(number, value))
        except ValueError as error:
            issues.add(str(error), line=number)
    issues.raise_if_any()
    return _sheet(rows, Reading(format=Format.JSON))


def parse_json(text: str | bytes) -> Any:
    """Read JSON as RFC 8259 has it: no NaN, no Infinity.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _row(number: int, value: Any) -> Row:
    if not isinstance(value, Mapping):
        raise ValueError(
            "One JSON object per row is wanted, such as "
            '{"sku": "MUG-1", "prompt": "a red mug on a white background"}.'
        )
    return Row(line=number, cells=value)


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


def _sheet(rows: Sequence[Row], reading: Reading, warnings: Sequence[Issue] = ()) -> Sheet:
    if not rows:
        refuse("The sheet has no rows: there is nothing to make.")
    columns = list(dict.fromkeys(name for row in rows for name in row.cells))
    check_names(columns)
    return Sheet(
        columns=columns, rows=rows, reading=reading, warnings=warnings, fixed_columns=False
    )
