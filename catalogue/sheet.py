"""A sheet as it was read: columns and rows, nothing interpreted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalogue.issues import Issue


@dataclass(frozen=True, kw_only=True)
class Row:
    """One product."""

    line: int
    """Where it begins in the file, from 1; for rows sent as JSON their number, from 1."""
    cells: Mapping[str, Any]
    """By the column's own name. Text in a CSV; any JSON value otherwise."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A whole file."""

    columns: Sequence[str]
    """In the file's order."""
    rows: Sequence[Row]
    warnings: Sequence[Issue] = field(default_factory=tuple)
    """About the file as a whole, such as its encoding."""
    fixed_columns: bool = True
    """Whether every row has every column: so in a CSV, not in JSONL."""
