"""Columns of shops that are called like packshot's parameters."""

import pytest

from catalogue.sheets.model import Hints, SheetSource
from catalogue.sheets.readers import read_rows, read_sheet
from catalogue.validate import validate
from tests.unit.catalogue.models import only


def read(text, **hints):
    return read_sheet(text.encode(), name="sheet.csv", hints=Hints(**hints))


def said(sheet):
    return [one.message for one in sheet.warnings]


@pytest.mark.parametrize(
    "text",
    [
        "sku,prompt,Width,Height\nA,a,8.5,9.6\n",
        "sku,prompt,Width,Height\nA,a,30,40\nB,b,60,90\n",
        "sku,prompt,Width,Height\nA,a,0,0\n",
        "sku,prompt,width,height\nA,a,8 cm,9 cm\n",
        'sku;prompt;width;height\nA;a;8,5;9\n',
        "sku,prompt,Width,Height,Depth\nA,a,64,96,32\n",
        "sku,prompt,Width,Height,Weight (kg)\nA,a,64,96,2\n",
    ],
)  # fmt: skip
def test_a_products_size_is_not_its_images(limits, text):
    sheet = read(text)
    order, issues = validate(sheet, {}, only(limits))
    assert not issues.count
    assert {(one.spec.width, one.spec.height) for one in order.wanted} == {(64, 64)}
    (warning,) = said(sheet)
    assert "are sizes of the product" in warning
    assert "--column width=" in warning


def test_a_side_that_is_a_fraction_is_the_products(limits):
    sheet = read("sku,prompt,Width\nA,a,8.5\n")
    assert not validate(sheet, {}, only(limits))[1].count
    assert "'Width' is a size of the product" in said(sheet)[0]


@pytest.mark.parametrize(
    ("text", "size", "warnings"),
    [
        ("sku,prompt,width,height\nA,a,64,96\n", (64, 96), 0),
        ("sku,prompt,Width,Height\nA,a,64,96\n", (64, 96), 2),
        ("sku,prompt,price,width\nA,a,9,96\n", (96, 64), 1),
    ],
)
def test_sizes_that_images_may_have_are_theirs_with_a_warning_where_they_may_not_be(
    limits, text, size, warnings
):
    sheet = read(text)
    (one,) = validate(sheet, {}, only(limits))[0].wanted
    assert (one.spec.width, one.spec.height) == size
    assert sum("was read as the" in one for one in said(sheet)) == warnings


def test_sizes_meant_as_pixels_that_the_model_does_not_make_stay_mistakes(limits):
    text = "sku,prompt,width,height\nA,a,500,500\n"
    assert validate(read(text), {}, only(limits))[1].count == 2
    text = "sku,prompt,width,height\nA,a,64,72\nB,b,64,64\n"
    assert [issue.column for issue in validate(read(text), {}, only(limits))[1]] == ["height"]


def test_the_caller_says_that_a_column_is_the_images_size_or_that_none_is(limits):
    text = "sku,prompt,Width,Height,Depth\nA,a,64,96,5\n"
    sheet = read(text, columns={"width": "Width", "height": "Height"})
    (one,) = validate(sheet, {}, only(limits))[0].wanted
    assert (one.spec.width, one.spec.height, said(sheet)) == (64, 96, [])
    sheet = read("sku,prompt,Steps\nA,a,7\n", columns={"steps": ""})
    assert validate(sheet, {}, only(limits))[0].wanted[0].spec.steps == 4
    assert (said(sheet), sheet.reading.columns) == ([], {"sku": "sku", "prompt": "prompt"})


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("Steps", "denoising steps"),
        ("Seed", "seed of images"),
        ("Variants", "number of images of a row"),
    ],
)
def test_a_column_that_may_be_the_products_is_taken_with_a_warning(column, words):
    (warning,) = said(read(f"sku,prompt,{column}\nA,a,4\n"))
    assert f"{column!r} was read as the {words}" in warning
    assert f"--column {column.lower()}=)" in warning
    assert said(read(f"sku,prompt,{column.lower()}\nA,a,4\n")) == []


def test_a_sheet_that_was_written_for_packshot_has_images_variants_and_seeds(limits):
    sheet = read("sku,title,prompt,variants,seed\nA,Mug,a mug,2,7\n")
    assert len(validate(sheet, {}, only(limits))[0].wanted) == 2
    assert not said(sheet)


def test_rows_of_json_are_looked_at_too(limits):
    sheet = read_rows([{"sku": "A", "prompt": "a", "width": 8.5, "height": 10**400}])
    assert not validate(sheet, {}, only(limits))[1].count


@pytest.mark.parametrize(
    ("header", "shop", "title"),
    [
        ("product_internal_id,product_name,product_sku,weight", "Ecwid", "product_name"),
    ],
)
def test_exports_of_other_shops_are_named_with_what_to_say(limits, header, shop, title):
    sheet = read(f"{header}\n{','.join('0' for _ in header.split(','))}\n")
    assert sheet.reading.source is SheetSource.PLAIN
    (warning,) = [one for one in said(sheet) if "This looks like" in one]
    assert shop in warning
    if title != "Title":
        assert f'--column "title={title}"' in warning
    order, issues = validate(sheet, {}, only(limits))
    assert not [one for one in order.warnings if "'height' is meant" in one["message"]]
    assert {issue.column for issue in issues} <= {"sku", "prompt"}
    assert said(read("sku,prompt,product_internal_id,product_name\nA,a,b,c\n")) == []
