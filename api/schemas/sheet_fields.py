"""Types of the fields that say how a sheet is to be read."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from api.schemas.form_json import reader_of_json
from catalogue.checks import check_text
from catalogue.sheets.readers import check_encoding, parse_separator

MOST_COLUMNS = 100
"""Columns that a request may name."""


def _encoding(value: str) -> str:
    if reason := check_encoding(value):
        raise ValueError(reason)
    return value


def _separator(value: str) -> str:
    separator = parse_separator(value)
    if separator is None:
        raise ValueError(
            "A separator is one character other than a letter, digit, quote or blank, or one of "
            "comma, semicolon, tab and pipe."
        )
    return separator


def _names(value: dict[str, str]) -> dict[str, str]:
    if len(value) > MOST_COLUMNS:
        raise ValueError(f"{len(value):,} columns are named; the limit is {MOST_COLUMNS}.")
    for text in (*value, *value.values()):
        if reason := check_text(text):
            raise ValueError(reason)
    return value


class Mapping(StrEnum):
    """Who says what columns mean where their names do not."""

    NAMED = "named"
    """`columns` alone, whatever is remembered."""
    AUTO = "auto"
    """Proposals that are sure, too."""
    NONE = "none"
    """`columns` alone, and nothing is remembered of them."""


class OnError(StrEnum):
    """What becomes of a sheet with bad rows."""

    REFUSE = "refuse"
    """Nothing of it is queued."""
    SKIP = "skip"
    """The good rows are."""


Encoding = Annotated[str, AfterValidator(_encoding)]
Separator = Annotated[str, AfterValidator(_separator)]
ColumnNames = Annotated[
    dict[str, str],
    BeforeValidator(reader_of_json('Column names are sent as JSON, such as {"sku": "Artikel"}')),
    AfterValidator(_names),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
