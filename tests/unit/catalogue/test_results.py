"""results.csv: nothing is lost, nothing is a formula."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.results import OUTCOME, ResultLine, format_header, format_lines, neutralise

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


def outcome(**row: object) -> ResultLine:
    return ResultLine(
        row=row, variant=1, status="succeeded", error=None, error_code=None, retry_helps=None,
        image="/v1/jobs/x/image", seed=7, cache="miss", seconds=1.25, warning=None,
    )  # fmt: skip


@given(TEXT)
def test_a_neutralised_cell_begins_no_formula_and_keeps_its_text(text):
    safe = neutralise(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe in (text, f"'{text}")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_what_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(text):
    assert neutralise(text) == f"'{text}"


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
    ]


def test_json_cells_are_written_as_json_and_missing_ones_are_empty():
    columns = ["tags", "price", "flag", "gone"]
    text = format_lines(columns, [outcome(tags=["é", 1], price=0.12345, flag=True)])
    (line,) = csv.reader(io.StringIO(text))
    assert line[:4] == ['["é", 1]', "0.12345", "true", ""]


def test_further_columns_say_what_the_files_are():
    line = replace(outcome(sku="A"), files=["A.jpg", "https://shop.example/A.jpg", None])
    text = format_header(["sku"], ["web_file", "web_url", "x"]) + format_lines(["sku"], [line])
    header, cells = csv.reader(io.StringIO(text, newline=""))
    assert header[-3:] == ["web_file", "web_url", "x"]
    assert cells[-3:] == ["A.jpg", "https://shop.example/A.jpg", ""]
