"""Cells to values: which column means what, as which type."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from catalogue.checks import (
    CHECKS,
    Reason,
    RequestLimits,
)
from catalogue.names import canonical
from core.domain import image_spec
from core.domain.seeds import SeedRule


def _integer(value: Any) -> int:
    """Read a whole number; spreadsheets also write it as 20.0."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, str) else _whole(value)
    except ValueError:
        return _whole(float(value))


def _whole(number: float) -> int:
    if not math.isfinite(number) or number != int(number):
        raise ValueError
    return int(number)


def _number(value: Any) -> float:
    """Read a number; where the separator is a semicolon, people write 7,5."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    return float(value.replace(",", ".", 1) if isinstance(value, str) else value)


def read_number(value: Any) -> float | None:
    """Read a finite number as people write it; None when it is none."""
    try:
        number = float(_number(value))
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    """Read a text; in JSON a SKU may be a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    return str(value).strip()


def _seed(value: Any) -> int | SeedRule:
    """Read a seed: a number, or where it comes from."""
    try:
        return _integer(value)
    except ValueError:
        return SeedRule(canonical(_text(value)))


def _name(value: Any) -> str:
    return _text(value).lower()


Reader = tuple[Callable[[Any], Any], str]
"""How a value is read, and what it has to be."""

_BY_TYPE: Mapping[object, Reader] = {
    int: (_integer, "a whole number"),
    float: (_number, "a number"),
    str: (_text, "a text"),
}

_OWN: Mapping[str, Reader] = {
    "scheduler": (_name, "a text"),
    "seed": (_seed, f"a whole number, {SeedRule.DERIVED} or {SeedRule.PER_SKU}"),
}

PARAMETERS: Mapping[str, Reader] = {
    name: _OWN.get(name) or _BY_TYPE[one.type]
    for name, one in image_spec.PARAMETERS.items()
    if name != "prompt"
} | {"variants": _BY_TYPE[int]}
"""What a row, a request's field or the model's defaults may give, and how each is read."""

TEXTS: Mapping[str, Reader] = {
    "sku": (_text, "a text"),
    "prompt": (_text, "a text"),
    "template": (_text, "a text"),
    "model": (_name, "a text"),
}
"""What only a row gives, or a request in its own way."""

KNOWN = {**TEXTS, **PARAMETERS}


def find_columns(columns: Iterable[str]) -> dict[str, str]:
    """Find the columns that packshot reads: from its name of each to the sheet's."""
    found: dict[str, str] = {}
    for column in columns:
        name = canonical(column)
        if name in KNOWN:
            found.setdefault(name, column)
    return found


def is_given(value: Any) -> bool:
    """Check whether a cell says anything: an empty one leaves it to the next who does."""
    return value is not None and value != ""


def parse_value(name: str, value: Any) -> tuple[Any, Reason]:
    """Read one value; see `read_value`."""
    read, kind = KNOWN[name]
    try:
        return read(value), None
    except (ValueError, OverflowError):
        return None, f"{_shown(value)} is not {kind}."


def read_value(name: str, value: Any, limits: RequestLimits) -> tuple[Any, Reason]:
    """Read and check one value.

    Returns:
        The value and None, or anything and the reason why it cannot be used.
    """
    result, reason = parse_value(name, value)
    check = CHECKS.get(name)
    return result, reason or (check(result, limits) if check else None)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
