"""SKUs that a spreadsheet destroyed."""

import pytest

from catalogue.sheets.readers import read_sheet
from catalogue.validate import validate
from tests.unit.catalogue.models import only


@pytest.mark.parametrize(
    ("skus", "words", "shown"),
    [
        (["4,00638E+12", "4,00638E+12", "1.50E+10"], "shortened", "lines 2, 3, 4)"),
        (["1e+06"], "shortened", "'1e+06'"),
        (["1234567890123450"], "15 digits", "line 2)"),
        (["4006381333931.0"], "with a fraction", "line 2)"),
        (["#N/A", "####"], "errors", "lines 2, 3)"),
        (["12-Mar", "Mar-12", "01. Mrz"], "dates", "lines 2, 3, 4)"),
    ],
)
def test_skus_that_a_spreadsheet_destroyed_are_told(limits, skus, words, shown):
    sheet = read_sheet(
        b"sku;prompt\n" + "".join(f"{sku};a mug\n" for sku in skus).encode(), name="a.csv"
    )
    order, issues = validate(sheet, {}, only(limits))
    assert not issues.count
    (warning,) = order.warnings
    assert (warning["line"], warning["column"]) == (2, "sku")
    assert words in warning["message"]
    assert shown in warning["message"]


@pytest.mark.parametrize(
    "sku", ["12345678901230", "4E5", "1.5", "12.0", "MAR-12", "March-12", "#1", "00123", "20250101"]
)
def test_ordinary_skus_are_not_warned_of(limits, sku):
    sheet = read_sheet(f"sku;prompt\n{sku};a mug\n".encode(), name="a.csv")
    assert validate(sheet, {}, only(limits))[0].warnings == []
