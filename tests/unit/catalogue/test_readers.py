"""Files to rows: encodings, separators, line numbers, and what is refused."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.sheets.readers import read_sheet
from catalogue.validate import validate
from core.errors import InvalidSheetError
from tests.unit.catalogue.models import only

CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


def refusal(content: bytes, name: str = "sheet.csv") -> InvalidSheetError:
    with pytest.raises(InvalidSheetError) as caught:
        read_sheet(content, name=name)
    return caught.value


@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)
    ),
    st.sampled_from(",;\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_as_csv_is_read_back(cells, separator, encoding):
    columns = [f"column {number}" for number in range(len(cells[0]))]
    if len(columns) == 1:
        separator = ","  # its header shows none: a comma is what everybody means
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=separator).writerows([columns, *cells])
    # One more row, so that there is one with text.
    content = buffer.getvalue() + separator.join("x" for _ in columns)
    sheet = read_sheet(content.encode(encoding), name="sheet.csv")
    stripped = [[cell.strip() for cell in row] for row in cells] + [["x"] * len(columns)]
    assert list(sheet.columns) == columns
    found = [[row.cells.get(column, "") for column in columns] for row in sheet.rows]
    assert found == [row for row in stripped if any(row)]


@given(st.binary(max_size=200), st.sampled_from(["sheet.csv", "sheet.jsonl"]))
def test_any_bytes_are_read_or_refused_in_words(content, name):
    try:
        found = read_sheet(content, name=name).rows
    except InvalidSheetError as error:
        found = error.extensions["errors"]
    assert found


def errors(content: bytes, name: str = "sheet.csv") -> list[dict]:
    """Give what is wrong with lines, in the order of the file."""
    return list(read_sheet(content, name=name).issues.documents())


def test_lines_are_those_of_the_file():
    content = b'sku,note\r\n\r\nA,"two\r\nlines"\r\n,\r\nB,one\r\n'
    sheet = read_sheet(content, name="sheet.csv")
    assert [(row.line, row.cells["sku"]) for row in sheet.rows] == [(3, "A"), (6, "B")]


def test_excels_line_that_names_the_separator_is_skipped_and_counted():
    sheet = read_sheet(b"sep=;\r\nsku;price\r\nA;1,5\r\n", name="sheet.csv")
    assert [(row.line, dict(row.cells)) for row in sheet.rows] == [
        (3, {"sku": "A", "price": "1,5"})
    ]


def test_a_separator_inside_quotes_in_the_header_is_text():
    sheet = read_sheet(b'sku;"size, colour, kind"\nA;b\n', name="sheet.csv")
    assert list(sheet.columns) == ["sku", "size, colour, kind"]


def test_a_sheet_may_have_one_column():
    assert list(read_sheet(b"sku\nA\n").columns) == ["sku"]


def test_empty_columns_at_the_end_are_dropped():
    sheet = read_sheet(b"sku,prompt,,\nA,a,,\n")
    assert list(sheet.columns) == ["sku", "prompt"]


def test_windows_1252_is_read_with_a_warning_that_shows_what_to_look_at():
    sheet = read_sheet("sku,prompt\nA,a café table\n".encode("cp1252"), name="sheet.csv")
    assert sheet.rows[0].cells["prompt"] == "a café table"
    (warning,) = sheet.warnings
    assert warning.line == 2
    assert "0xe9 in line 2" in warning.message
    assert "a café table" in warning.message
    assert "Windows-1252" in warning.message


def test_an_encoding_that_cannot_be_told_is_named_with_its_byte_and_line():
    error = refusal(b"sku,prompt\nA,caf\xe9\nB,\x81\n")
    assert "0xe9 in line 2" in error.detail
    assert "0x81 in line 3" in error.detail
    assert "CSV UTF-8" in error.detail


@pytest.mark.parametrize("letters", [b"\x81\xe9", b"\x8f\xb5", b"\x9d"])
def test_two_letters_tell_no_encoding(letters):
    assert "cannot be told" in refusal(b"sku,prompt\nA," + letters + b"\n").detail


def test_broken_utf_8_after_its_mark_is_not_guessed():
    error = refusal(b"\xef\xbb\xbfsku,prompt\nA,caf\xe9\n")
    assert "line 2" in error.detail


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04\x14", "workbook is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1", "(.xls)"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89PNG\r\n", "picture"),
        (b"<!DOCTYPE html>", "web page"),
        (b"sku,prompt\nA,\x00\n", "binary"),
        (b"\x7fELF" + bytes(range(1, 32)) * 4, "control characters"),
    ],
)
def test_a_file_that_is_no_csv_is_told_what_it_is_and_to_be_exported(content, words):
    error = refusal(content)
    assert words in error.detail
    assert "xport it as CSV" in error.detail


def test_rows_that_do_not_fit_the_header_are_all_named():
    first, second = errors(b"sku,prompt\nA,a,b\nB,b\nC\n")
    assert (first["line"], second["line"]) == (2, 4)
    assert "3 cells" in first["message"]
    assert "the header has 2 (`separator` is ',', as was found out" in first["message"]


def test_lines_that_cannot_be_read_do_not_hide_what_is_wrong_with_others(limits):
    sheet = read_sheet(b"sku,prompt,steps\nA,a,0\nB,b\n,c,4\nD,d,4\n")
    found, issues = validate(sheet, {"template": "{{ promt", "width": 1}, only(limits))
    assert found.wanted == []
    assert [(one["line"], one["column"]) for one in issues.documents()] == [
        (None, "width"),
        (None, "template"),
        (2, "steps"),
        (3, None),
        (4, "sku"),
    ]


def test_a_column_that_is_missing_is_named_once_beside_what_is_wrong_with_rows(limits):
    _, issues = validate(read_sheet(b"article,steps\nA,4\nB,x\n"), {}, only(limits))
    assert [(one["line"], one["column"]) for one in issues.documents()] == [
        (1, "sku"),
        (1, "prompt"),
        (3, "steps"),
    ]
    assert all("`columns`" in one["message"] for one in list(issues.documents())[:2])


@pytest.mark.parametrize(
    ("content", "columns", "second"),
    [
        (b"sku;prompt, English\nA;a red mug\nB;a blue mug, tall\n", "sku;prompt, English", "B"),
        (b"sku;prompt\rA;a mug, tall, on wood\rB;b, c, d, e\r", "sku;prompt", "B"),
        (b'"Article\nno.";sku;prompt\nA;B;a mug, tall\nC;D;c\n', "Article\nno.;sku;prompt", "C"),
        (b"sku,prompt;long\nA,a\nB,b\n", "sku,prompt;long", "B"),
    ],
)
def test_the_separator_is_that_by_which_rows_agree_with_the_header(content, columns, second):
    sheet = read_sheet(content, name="sheet.csv")
    assert sheet.reading.separator.join(sheet.columns) == columns
    assert sheet.rows[1].cells[sheet.columns[0]] == second


def test_tabs_at_a_lines_end_may_be_left_out_and_quotes_be_text():
    text = b'sku\tprompt\tnote\nA\t"Best" mug\nB\t"two\nlines"\tx\n"C" x\t"open\tx\nD\td\n'
    sheet = read_sheet(text, name="sheet.tsv")
    assert [(row.line, list(row.cells.values())) for row in sheet.rows] == [
        (2, ["A", '"Best" mug']),
        (3, ["B", "two\nlines", "x"]),
        (5, ['"C" x', '"open', "x"]),
        (6, ["D", "d"]),
    ]


def test_columns_that_a_feed_with_tabs_repeats_are_one():
    sheet = read_sheet(b"sku\tshipping\tshipping\nA\tDE:4\tFR:5\nB\t\tFR:6\n", name="a.tsv")
    assert list(sheet.columns) == ["sku", "shipping"]
    assert [row.cells["shipping"] for row in sheet.rows] == ["DE:4, FR:5", "FR:6"]
    assert "same name" in str(refusal(b"sku\tsku\nA\tB\n").extensions["errors"])


@pytest.mark.parametrize("content", [b'{"sku": "A", "prompt": "a"}\n', b"[\n {\n", b'[{"sku":1}]'])
def test_json_that_is_called_something_else_is_told_what_to_be_called(content):
    assert ".jsonl" in refusal(content, "sheet.txt").detail


def test_columns_of_the_same_name_are_named():
    error = refusal(b"sku,Sku,prompt\nA,a,b\n")
    (one,) = error.extensions["errors"]
    assert one["line"] == 1
    assert "'sku', 'Sku'" in one["message"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \n"])
def test_an_empty_file_is_refused(content):
    assert "empty" in refusal(content).detail


def test_a_header_alone_is_refused():
    assert "no rows" in refusal(b"sku,prompt\n\n,\n").detail


def test_a_quote_that_is_never_closed_is_named_where_it_opens_and_reading_goes_on():
    sheet = read_sheet(b'sku,prompt\nA,a\nB,"a mug\nC,c\nD,d\n')
    assert [row.line for row in sheet.rows] == [2, 4, 5]
    (one,) = errors(b'sku,prompt\nA,a\nB,"a mug\nC,c\nD,d\n')
    assert one["line"] == 3
    assert "Line 3 cannot be read" in one["message"]


def test_a_quote_inside_a_cell_is_text():
    assert read_sheet(b'sku,prompt\nA,a 19" rack\n').rows[0].cells["prompt"] == 'a 19" rack'


def test_json_lines_keep_their_types_and_the_order_of_columns():
    content = b'{"sku": 1, "tags": ["a"]}\r\n\n{"sku": "2", "price": 1.5}\n'
    sheet = read_sheet(content, name="sheet.ndjson")
    assert list(sheet.columns) == ["sku", "tags", "price"]
    assert [(row.line, dict(row.cells)) for row in sheet.rows] == [
        (1, {"sku": 1, "tags": ["a"]}),
        (3, {"sku": "2", "price": 1.5}),
    ]


def test_every_line_that_is_no_json_object_is_named():
    found = errors(b'{"sku": 1}\n[1]\n{"sku": }\n{"sku": NaN}\n' + b"[" * 100_000, "a.jsonl")
    assert [one["line"] for one in found] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "content_type", "is_json"),
    [
        ("a.jsonl", "text/csv", True),
        ("a.NDJSON", "", True),
        ("", "application/x-ndjson; charset=utf-8", True),
        ("a.dat", "application/jsonl", True),
        ("a.csv", "application/x-ndjson", False),
        ("a.txt", "text/plain", False),
        ("", "application/octet-stream", False),
    ],
)
def test_the_extension_decides_then_the_content_type(name, content_type, is_json):
    content = b'{"sku":"A"}\n' if is_json else b"sku\nA\n"
    sheet = read_sheet(content, name=name, content_type=content_type)
    assert dict(sheet.rows[0].cells) == {"sku": "A"}
