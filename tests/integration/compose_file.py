"""compose.yaml as Compose reads it: variables filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^${}]*)|:\?[^${}]*)\}")

NEEDED = frozenset(re.findall(r"\$\{(\w+):\?", TEXT))
"""The variables that have no default."""


def read(variables: Mapping[str, str]) -> dict[str, Any]:
    """Give the file with `${NAME:-default}`, `${NAME:?needed}` and `$$` replaced.

    A variable of a service that has no value in the file has that of `variables`, or is not there.

    Raises:
        KeyError: A needed variable is not among `variables`.
    """

    def fill(match: re.Match[str]) -> str:
        value = variables.get(match[1]) or match[2]
        if value is None:
            raise KeyError(match[1])
        return value

    def filled(text: str) -> str:
        # From the inside to the outside: a default may have variables of its own.
        found = 1
        while found:
            text, found = _VARIABLE.subn(fill, text)
        return text.replace("$$", "$")

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(one) for key, one in value.items()}
        if isinstance(value, list):
            return [walk(one) for one in value]
        return filled(value) if isinstance(value, str) else value

    compose: dict[str, Any] = walk(yaml.safe_load(TEXT))
    for service in compose["services"].values():
        passed = service.get("environment", {}).items()
        told = {name: variables.get(name) if value is None else value for name, value in passed}
        service["environment"] = {name: value for name, value in told.items() if value is not None}
    return compose
