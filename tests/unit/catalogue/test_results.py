"""results.csv: nothing is lost, nothing is a formula."""

import csv
import io
import re
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.results import OUTCOME, ResultLine, format_header, format_lines, neutralise, restore

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


def outcome(**row: object) -> ResultLine:
    return ResultLine(
        row=row, variant=1, status="succeeded", error=None, error_code=None, retry_helps=None,
        image="/v1/jobs/x/image", seed=7, cache="miss", seconds=1.25, warning=None,
        model="default", revision="1", ai_use="generated", alt_text="a red mug",
    )  # fmt: skip


RISKY = st.text(st.sampled_from("=+-@＝＋－＠;|,\t\r\n\v '\"\u00a0\u200b\ufeffa1"), max_size=12)
BLANK = ' \t\r\n\v\f\x00\x1f\x7f\u00a0\u2003\u200b\u202e\ufeff"'


@given(TEXT | RISKY)
def test_a_neutralised_cell_begins_no_formula_and_keeps_its_text(text):
    safe = neutralise(text)
    assert not safe.startswith(("\t", "\r", "\n"))
    assert not safe.lstrip(BLANK).startswith(tuple("=+-@＝＋－＠"))
    assert restore(safe) == text


@given(st.lists(TEXT | RISKY, min_size=1, max_size=3))
@pytest.mark.parametrize("separator", ";|\t,")
def test_no_separator_makes_a_formula_of_a_part(separator, cells):
    columns = [f"column {number}" for number in range(len(cells))]
    row = dict(zip(columns, cells, strict=True))
    text = format_lines(["sku", *columns], [outcome(sku="A", **row)])
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    if separator != ",":
        # Whatever a spreadsheet makes of quotes that are not where it expects them.
        read += [line.split(separator) for line in re.split(r"[\r\n]", text)]
    for cell in chain.from_iterable(read):
        assert not cell.lstrip(BLANK).startswith(tuple("=+-@＝＋－＠")), cell


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\r=1", "'\r'=1"),
        ("\t=1", "'\t'=1"),
        ("＝1", "'＝1"),
        (" =1", "' =1"),
        ("\u200b=1", "'\u200b=1"),
        ("'=1", "''=1"),
        ("a;=1", "a;'=1"),
        ("a\n-1", "a\n'-1"),
        ('a;"=1"', 'a;\'"=1"'),
        ("a; b - c, -d", "a; b - c, -d"),
        ("a=b", "a=b"),
    ],
)
def test_what_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(text, safe):
    assert neutralise(text) == safe
    assert restore(safe) == text


@given(st.lists(TEXT, min_size=1, max_size=4, unique=True), st.data())
def test_what_was_in_the_sheet_is_in_the_results(columns, data):
    cells = {column: data.draw(TEXT) for column in columns}
    text = format_header(columns) + format_lines(columns, [outcome(**{"x": 1} | cells)])
    header, line = csv.reader(io.StringIO(text, newline=""))
    assert header == [*map(neutralise, columns), *OUTCOME]
    assert line[: len(columns)] == [neutralise(cells[column]) for column in columns]
    assert line[len(columns) :] == [
        "1",
        "succeeded",
        *("", "", ""),
        "/v1/jobs/x/image",
        "7",
        "miss",
        "1.25",
        "",
        *("default", "1", "generated", "a red mug"),
        *("pending", "", "", ""),
    ]


def test_json_cells_are_written_as_json_and_missing_ones_are_empty():
    columns = ["tags", "price", "flag", "gone"]
    text = format_lines(columns, [outcome(tags=["é", 1], price=0.12345, flag=True)])
    (line,) = csv.reader(io.StringIO(text))
    assert line[:4] == ['["é", 1]', "0.12345", "true", ""]


def test_further_columns_say_what_the_files_are():
    line = replace(outcome(sku="A"), further=["A.jpg", "https://shop.example/A.jpg", None])
    text = format_header(["sku"], ["web_file", "web_url", "x"]) + format_lines(["sku"], [line])
    header, cells = csv.reader(io.StringIO(text, newline=""))
    assert header[-3:] == ["web_file", "web_url", "x"]
    assert cells[-3:] == ["A.jpg", "https://shop.example/A.jpg", ""]
