"""compose.yaml as Compose reads it: variables filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()

_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*)|:\?[^}]*)\}")


NEEDED = frozenset(re.findall(r"\$\{(\w+):\?", TEXT))
"""The variables that have no default."""


def read(variables: Mapping[str, str]) -> dict[str, Any]:
    """Give the file with `${NAME:-default}`, `${NAME:?needed}` and `$$` replaced.

    Raises:
        KeyError: A needed variable is not among `variables`.
    """

    def fill(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        value = variables.get(match[1]) or match[2]
        if value is None:
            raise KeyError(match[1])
        return value

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(one) for key, one in value.items()}
        if isinstance(value, list):
            return [walk(one) for one in value]
        return _VARIABLE.sub(fill, value) if isinstance(value, str) else value

    filled: dict[str, Any] = walk(yaml.safe_load(TEXT))
    return filled
