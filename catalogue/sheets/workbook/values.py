"""Cells of workbooks as text, as their programs show them."""

import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DIGITS = 15
"""Significant digits that spreadsheets keep."""

CellValue = int | float | str | bool | time | date | datetime | timedelta


def shown(value: CellValue) -> str:
    """Return a cell's text: numbers without an exponent or an added fraction, dates by ISO 8601."""
    if isinstance(value, str):
        return _CONTROL.sub(" ", value).strip()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    # Binary fractions are no one's: 0.1 + 0.2 is shown as 0.3.
    text = format(Decimal(format(value, f".{_DIGITS}g")), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
