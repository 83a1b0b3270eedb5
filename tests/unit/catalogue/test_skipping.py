"""Bad rows left out: the good ones are made, the bad ones come back and can be sent again."""

import csv
import io

from catalogue.sheets.readers import read_sheet
from catalogue.skipping import MOST_CHARACTERS, format_skipped, skip_bad_rows
from catalogue.validate import validate
from tests.unit.catalogue.models import only
from tests.unit.catalogue.workbooks import xlsx_of

SHEET = "sku,prompt,steps\nA,a mug,4\nB,a vase,many\n,a bowl,4\nD,=a lamp,\nE,a hat,-1\n"


def skipped_of(content, limits):
    sheet = read_sheet(content)
    order, issues = validate(sheet, {}, only(limits))
    return sheet, *skip_bad_rows(sheet, order.wanted, issues)


def test_good_rows_are_left_and_bad_ones_have_their_reasons(limits):
    _, wanted, skipped, issues = skipped_of(SHEET.encode(), limits)
    assert [one.sku for one in wanted] == ["A", "D"]
    assert [one.line for one in skipped] == [3, 4, 6]
    assert skipped[0].reason.startswith("steps: 'many' is not a whole number.")
    assert not issues


def test_they_come_back_as_a_sheet_that_can_be_corrected_and_sent_again(limits):
    sheet, _, skipped, _ = skipped_of(SHEET.encode(), limits)
    text = format_skipped(sheet.columns, [one.document() for one in skipped])
    first, *_ = csv.DictReader(io.StringIO(text))
    assert (first["sku"], first["packshot_line"]) == ("B", "3")
    assert "whole number" in first["packshot_reason"]
    again = read_sheet(text.replace("many", "4").encode())
    assert list(again.columns) == ["sku", "prompt", "steps"]
    assert [dict(row.cells) for row in again.rows][:1] == [
        {"sku": "B", "prompt": "a vase", "steps": "4"}
    ]


def test_a_variant_comes_back_with_what_its_products_line_says(limits):
    rows = [["Handle", "Title", "Variant SKU", "Option1 Name", "Option1 Value", "steps"],
            ["mug", "Mug", "M-R", "Color", "Red", None],
            ["mug", None, "M-B", None, "Blue", "x"]]  # fmt: skip
    _, wanted, (skipped,), _ = skipped_of(xlsx_of(rows), limits)
    assert [one.sku for one in wanted] == ["M-R"]
    assert skipped.cells["Title"] == "Mug"
    assert skipped.cells["Variant SKU"] == "M-B"


def test_lines_that_cannot_be_read_are_left_out_too(limits):
    text = "sku,prompt\nA,a mug\nB,a vase,x,y\nC,a hat\n"
    _, wanted, skipped, issues = skipped_of(text.encode(), limits)
    assert [one.sku for one in wanted] == ["A", "C"]
    assert [(one.line, dict(one.cells)) for one in skipped] == [(3, {})]
    assert not issues


def test_what_concerns_the_sheet_as_a_whole_is_wrong_all_the_same(limits):
    for text in ("sku,colour\nA,red\n", "sku,prompt\n,a mug\n"):
        _, _, skipped, issues = skipped_of(text.encode(), limits)
        assert not skipped
        assert issues


def test_more_than_can_be_listed_or_kept_is_refused(limits):
    many = "sku,prompt,steps\nA,a mug,4\n" + "B,a mug,x\n" * 1001
    _, _, skipped, issues = skipped_of(many.encode(), limits)
    assert not skipped
    assert issues.count == 1001
    large = "sku,prompt,steps,more\nA,a mug,4,\n" + f"B,a,x,{'y' * 100_000}\n" * (
        MOST_CHARACTERS // 100_000 + 1
    )
    _, _, skipped, issues = skipped_of(large.encode(), limits)
    assert not skipped
    assert issues
