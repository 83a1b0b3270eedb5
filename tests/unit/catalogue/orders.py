"""Sheets whose every row must be good, as where they are accepted."""

from collections.abc import Mapping
from typing import Any

from catalogue.checks import Limits
from catalogue.prompts.tokens import TokenLimit
from catalogue.sheets.model import Sheet
from catalogue.validate import Order, examine


def make_order(
    sheet: Sheet, fields: Mapping[str, Any], limits: Limits, tokens: TokenLimit | None = None
) -> Order:
    """Give the images of a sheet; refuse it when anything is wrong."""
    order, issues = examine(sheet, fields, limits, tokens)
    issues.raise_if_any()
    return order
