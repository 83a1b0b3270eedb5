"""`NAME=VALUE` on the command line: columns of a sheet, and fields of a recipe."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from cli.errors import UsageError


def read_pairs(pairs: Iterable[str], *, option: str) -> dict[str, str]:
    """Read `NAME=VALUE`, each name once.

    Raises:
        UsageError: One is not written so, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = name.strip()
        if not separator or not name:
            raise UsageError(f"{option} {pair!r} is not NAME=VALUE.")
        if name in found:
            raise UsageError(f"{option} names {name!r} twice.")
        found[name] = value
    return found


def read_values(pairs: Iterable[str], *, option: str) -> Mapping[str, Any]:
    """Read `NAME=VALUE` whose values are JSON, or texts where they are none.

    Raises:
        UsageError: as `read_pairs`.
    """
    return {name: _value(text) for name, text in read_pairs(pairs, option=option).items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
