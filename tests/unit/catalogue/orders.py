"""Sheets whose every row must be good, as where they are accepted."""

from collections.abc import Mapping
from typing import Any

from catalogue.checks import RequestLimits
from catalogue.prompts.tokens import TokenLimit
from catalogue.sheets.model import Sheet
from catalogue.validate import ValidatedSheet, validate
from tests.unit.catalogue.models import only


def make_order(
    sheet: Sheet, fields: Mapping[str, Any], limits: RequestLimits, tokens: TokenLimit | None = None
) -> ValidatedSheet:
    """Give the images of a sheet; refuse it when anything is wrong."""
    order, issues = validate(sheet, fields, only(limits, tokens))
    issues.raise_if_any()
    return order
