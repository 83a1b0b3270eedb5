"""Sheets as programs and people leave them: what is meant is read, and said; the rest is named."""

import pytest

from catalogue.results import ResultLine, format_header, format_lines
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_sheet
from catalogue.validate import validate
from core.errors import InvalidSheetError
from tests.unit.catalogue.models import only


def read(text, name="sheet.csv", **hints):
    return read_sheet(text.encode(), name=name, hints=Hints(**hints))


def cells(text, **hints):
    """Give a sheet that is read without a mistake, as lists of its rows' cells."""
    sheet = read(text, **hints)
    assert not sheet.issues.count, list(sheet.issues)
    return [[row.cells.get(column, "") for column in sheet.columns] for row in sheet.rows]


def said(text, **hints):
    return " ".join(one.message for one in read(text, **hints).warnings)


def bad_lines(text):
    return [one["line"] for one in read(text).issues.documents()]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            "sku;prompt;seed;steps\nA;a;;\nB;b;;\nC;c\nD;d;7\n",
            [["A", "a", "", ""], ["B", "b", "", ""], ["C", "c", "", ""], ["D", "d", "7", ""]],
        ),
        (
            "sku,prompt,note,unit\nM-1,a,,\nM-2,b,x,pc\nM-3,c\nM-4,d,x\nM-5,e\n",
            [
                ["M-1", "a", "", ""], ["M-2", "b", "x", "pc"], ["M-3", "c", "", ""],
                ["M-4", "d", "x", ""], ["M-5", "e", "", ""],
            ],
        ),
        ("sku,prompt,note,unit\nA,a\nB,b\n", [["A", "a", "", ""], ["B", "b", "", ""]]),
    ],
)  # fmt: skip
def test_rows_that_excel_shortened_are_filled_with_empty_cells(text, rows):
    assert cells(text) == rows
    assert "taken as empty" in said(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # A line break inside a cell: two lines that are one row.
        ("sku;prompt;note\nA;a mug;\nB;a red\nvase;tall\nC;c;\n", [3, 4]),
        ("sku;prompt;note;unit\nA-1;a;;\nB-1;one\nand two\nand three;;\n", [3, 4, 5]),
        # What is missing is never empty elsewhere.
        ("sku,prompt,steps\nA,a,4\nB,b\nC,c,5\n", [3]),
        # A separator inside a cell.
        ("sku,prompt,note\nA,a red mug, tall,\nB,b,,x\nC,c,\nD,d,\n", [3]),
        ("sku,prompt,\nA,a mug,\nB,a mug, tall\nC,c,\n", [3]),
    ],
)
def test_a_broken_line_is_no_shortened_one(text, lines):
    assert bad_lines(text) == lines


def test_columns_without_names_are_left_out_with_a_warning():
    text = ",sku,,prompt\n0,A,x,a\n1,B,y,b\n"
    assert cells(text) == [["A", "a"], ["B", "b"]]
    assert "Columns 1, 3 have no name" in said(text)
    text = "sku,prompt,\nA,a,x\nB,b,y\nC,c,\n"
    assert cells(text) == [["A", "a"], ["B", "b"], ["C", "c"]]
    assert "beyond the last column" in said(text)


@pytest.mark.parametrize(
    ("header", "row", "columns", "found"),
    [
        ("sku,prompt,Notes,Notes", "A,a,x,y", ["sku", "prompt", "Notes"], ["A", "a", "x, y"]),
        ("sku,prompt,Tag,Tag", "A,a,x,x", ["sku", "prompt", "Tag"], ["A", "a", "x"]),
        (
            "sku,prompt,Price (€),Price ($)", "A,a,9,10",
            ["sku", "prompt", "Price (€)", "Price ($)"], ["A", "a", "9", "10"],
        ),
        ("sku,prompt,Size+,Size-", "A,a,9,", ["sku", "prompt", "Size+", "Size-"],
         ["A", "a", "9", ""]),
    ],
)  # fmt: skip
def test_columns_that_nobody_reads_may_be_called_alike(header, row, columns, found):
    text = f"{header}\n{row}\n"
    assert (list(read(text).columns), cells(text)) == (columns, [found])


def test_a_template_finds_each_of_two_columns_that_differ_in_signs(limits):
    sheet = read("sku,Price (€),Price ($)\nA,9,10\n")
    template = "{{ row['Price (€)'] }} or {{ row['Price ($)'] }}"
    order, _ = validate(sheet, {"template": template}, only(limits))
    assert order.wanted[0].spec.prompt == "9 or 10"


@pytest.mark.parametrize("header", ["SKU,Sku,prompt", "sku,prompt,Steps,steps", "id,id,title"])
def test_two_columns_that_are_read_may_not_be_called_alike(header):
    with pytest.raises(InvalidSheetError, match="wrong") as caught:
        read(f"{header}\n{','.join('x' for _ in header.split(','))}\n")
    assert "same name" in caught.value.extensions["errors"][0]["message"]


def outcome(row, variant):
    return ResultLine(
        row=row, variant=variant, status="failed", error="The worker was lost.",
        error_code="worker_lost", retry_helps=True, image=None, seed=5, cache="miss",
        seconds=None, warning=None, model="default", revision="1", ai_use=None,
        further=["A.png", "A.jpg", "", ""],
    )  # fmt: skip


def test_a_sheets_results_can_be_sent_again(limits):
    columns = ["sku", "prompt", "Status", "seed"]
    rows = [
        {"sku": "=A", "prompt": "a mug", "Status": "active", "seed": "7"},
        {"sku": "-B", "prompt": "a vase", "Status": "'x", "seed": ""},
    ]
    text = format_header(columns, ["file_name", "ebay_file", "ebay_url", "ebay_note"])
    text += format_lines(columns, [outcome(row, variant) for row in rows for variant in (1, 2)])
    assert cells(text) == [["=A", "a mug", "active", "7"], ["-B", "a vase", "'x", ""]]
    assert "results.csv" in said(text)
    order, issues = validate(read(text), {}, only(limits))
    assert not issues.count
    assert [(one.sku, one.spec.seed) for one in order.wanted] == [("=A", 7), ("-B", None)]


@pytest.mark.parametrize(
    ("above", "separator"),
    [
        ("Kaai & Co price list;;\nvalid from 01.01.2025;;\n;;\n", ";"),
        ("Price list, 2025\n\n", ";"),
        ("Export\n", ","),
        ('"Our products,\nall of them"\n', ","),
        ("Supplier;Kaai\nTel;555\n\n", ";"),
    ],
)
def test_a_title_above_the_header_is_skipped_and_told(above, separator):
    rows = ["sku|prompt|price", "A|a red mug|9", "B|a blue vase|19"]
    text = above + "\n".join(rows).replace("|", separator) + "\n"
    assert cells(text) == [["A", "a red mug", "9"], ["B", "a blue vase", "19"]]
    line = 1 + above.count("\n")
    assert f"found in line {line}" in said(text)
    assert read(text).rows[0].line == line + 1


def test_a_first_line_that_looks_like_a_title_is_said_to():
    text = "Ürünler;;;\nkod;isim;renk;fiyat\nA;kupa;mavi;9\nB;vazo;yeşil;5\n"
    assert "Line 1 looks like a title" in said(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Nummer;Text\nsku;prompt\nB;b\n", {}),
        ("Nummer\nA\n", {"sku": "Nummer"}),
    ],
)
def test_a_header_that_may_be_one_is_taken_for_it(text, named):
    assert list(read(text, columns=named).columns) == text.splitlines()[0].split(";")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (r'A,"a mug with \"hello\" on it"', ["A", 'a mug with "hello" on it']),
        (r'A,"a \"b\", c"', ["A", 'a "b", c']),
        ('A,"<p class=\\"x\\">\ntwo</p>"', ["A", '<p class="x">\ntwo</p>']),
        ('A,"19" rack with shelf', ["A", '19" rack with shelf']),
        ('A,"The 5" pot"', ["A", 'The 5" pot']),
        ('A,"5 1/2" pot, tall"', ["A", '5 1/2" pot, tall']),
        ('A,"Best" mug', ["A", '"Best" mug']),
        ('"A-1" x,a 5" pot', ['"A-1" x', 'a 5" pot']),
    ],
)
def test_quotes_that_do_not_fit_are_read_as_they_must_be_meant(line, found):
    text = f'sku,prompt\n{line}\nB,"b"\n'
    assert cells(text) == [found, ["B", "b"]]
    assert "not fit together" in said(text)


def test_what_quotes_leave_unclear_is_named_with_every_other_mistake():
    text = 'sku,prompt\nA,"5" pot, tall\nB,"b\nC,c,c\nD,d\n'
    assert bad_lines(text) == [2, 3, 4]
    assert [row.cells["sku"] for row in read(text).rows] == ["D"]


def test_quotes_around_the_cells_of_a_line_with_tabs_are_no_part_of_them():
    text = '"id"\t"title"\t"link"\t"price"\n"1"\t"The 5" pot"\t"x"\t"9"\n2\t"Pot, ""l"""\tx\t9\n'
    assert cells(text) == [["1", 'The 5" pot', "x", "9"], ["2", 'Pot, "l"', "x", "9"]]


def test_excels_way_to_keep_zeros_is_no_part_of_a_cell():
    text = 'sku,prompt\n"=""00123""",a\n="00124",b\n=1+1,c\n'
    assert [row[0] for row in cells(text)] == ["00123", "00124", "=1+1"]
