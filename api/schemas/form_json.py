"""Fields of requests that are JSON: a form can only send that as text."""

from collections.abc import Callable
from typing import Any

from catalogue.sheets.json_lines import parse_json


def reader_of_json(what: str) -> Callable[[Any], Any]:
    """Return a validator that reads what a form sent as text; all else it leaves as it is.

    Args:
        what: How the error begins, such as "Column names are sent as JSON".
    """

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return parse_json(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{what}; this is none ({error}).") from error

    return read
