"""Sheets that are broken or mean harm: read or refused in words, never half."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.checks import RequestLimits
from catalogue.results import format_lines
from catalogue.sheets.model import LONGEST_COLUMN, MOST_COLUMNS, Hints
from catalogue.sheets.readers import read_sheet
from core.errors import InvalidSheetError
from tests.unit.catalogue.orders import make_order

LIMITS = RequestLimits(
    smallest=32, largest=128, multiple_of=32, max_steps=150, max_variants=16, max_images=1000,
    defaults={"width": 64, "height": 64, "steps": 4, "guidance_scale": 3.0, "scheduler": "ddim",
              "negative_prompt": ""},
)  # fmt: skip

HEADERS = st.sampled_from(
    [
        "sku,prompt,steps", "sku;prompt;width", "sku\tprompt\tvariants", "sku|prompt|seed",
        "Handle,Title,Option1 Value,Variant SKU", "ID,Type,SKU,Name,Parent,Images",
        "id\ttitle\tlink\tprice", "sku,template", "sku,sku,prompt", "",
    ]
)  # fmt: skip
PIECES = st.sampled_from(
    [
        ",", ";", "\t", "|", '"', '""', "\n", "\r\n", "\r", "\x00", "\ufeff", "=1+1", "@x", "-",
        "A", "a mug", "{{ sku }}", "{% for", "é", "\ud800", "\u2028", "1e999", "variation", "id:1",
        "Default Title", "<b>", "&#999999999999;", "'",
    ]
)  # fmt: skip


def order_or_errors(content, **hints):
    """Read and check a sheet as the API does."""
    try:
        sheet = read_sheet(content, name="sheet.csv", hints=Hints(**hints))
        order = make_order(sheet, {}, LIMITS)
    except InvalidSheetError as error:
        return error.extensions["errors"]
    json.dumps(sheet.reading.document())
    return order.wanted


@settings(max_examples=80)
@given(
    HEADERS,
    st.lists(PIECES, max_size=30).map("".join),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
)
def test_any_sheet_is_taken_whole_or_refused_with_its_places(header, body, encoding):
    content = f"{header}\n{body}".encode(encoding, errors="surrogatepass" if "16" in encoding
                                         or "8" in encoding else "replace")  # fmt: skip
    assert order_or_errors(content)


@settings(max_examples=40)
@given(
    st.binary(max_size=120), st.sampled_from(["utf-8", "utf-16", "shift_jis", "gb18030", "big5"])
)
def test_any_bytes_in_an_encoding_that_was_named_are_read_or_refused(content, encoding):
    assert order_or_errors(content, encoding=encoding)


@settings(max_examples=30)
@given(st.sampled_from(",;\t|^:"), st.lists(PIECES, max_size=15).map("".join))
def test_a_separator_that_was_named_is_used(separator, body):
    content = f"sku{separator}prompt\n{body}".encode("utf-8", errors="replace")
    assert order_or_errors(content, separator=separator)


def test_a_pipe_separates_and_utf_16_is_known_without_its_mark():
    text = "sku|prompt\r\nA|a red mug, tall\r\n"
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        sheet = read_sheet(text.encode(encoding))
        assert sheet.rows[0].cells == {"sku": "A", "prompt": "a red mug, tall"}
        assert (sheet.reading.separator, sheet.reading.encoding) == ("|", encoding)


def test_an_encoding_that_was_named_is_not_guessed_and_gives_no_warning():
    content = "sku,prompt\nA,Größe\n".encode("iso-8859-15")
    sheet = read_sheet(content, hints=Hints(encoding="iso-8859-15"))
    assert sheet.rows[0].cells["prompt"] == "Größe"
    assert (sheet.reading.encoding, sheet.warnings) == ("iso-8859-15", ())
    with pytest.raises(InvalidSheetError, match="not utf-8: byte 16"):
        read_sheet(content, hints=Hints(encoding="utf-8"))


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_utf_8_may_be_called_as_python_calls_it_with_a_mark(mark):
    sheet = read_sheet(mark + "sku,prompt\nA,Größe\n".encode(), hints=Hints(encoding="utf-8-sig"))
    assert list(sheet.columns) == ["sku", "prompt"]
    assert sheet.reading.encoding == "utf-8"


def test_mixed_line_ends_are_lines():
    sheet = read_sheet(b"sku,prompt\rA,a\r\nB,b\nC,c")
    assert [(row.line, row.cells["sku"]) for row in sheet.rows] == [(2, "A"), (3, "B"), (4, "C")]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"sku,prompt\nA," + b"x" * 2**20 + b"\n", "a.csv", "131,072"),
        (b'sku,prompt\nA,"' + b"x" * 2**20 + b'"\n', "a.csv", "131,072"),
        (b'sku\tprompt\nA\t"' + b"x" * 2**20 + b'"\n', "a.tsv", "1,048,5"),
        (b'{"sku": "A", "prompt": "a", "note": "' + b"x" * 2**20 + b'"}', "a.jsonl", "1,048,576"),
        (b'{"sku": "A", "prompt": "a", "note": ' + b"[" * 60 + b"]" * 60 + b"}", "a.jsonl", "deep"),
        (
            b'{"sku": "A", "prompt": "a", "note": [' + b"1," * 200_000 + b"1]}",
            "a.jsonl",
            "200,002",
        ),
        (b"sku,prompt\nA,a\x00b\n", "a.csv", "binary"),
        ("sku,prompt\nA,a\x00b\n".encode("utf-16"), "a.csv", "NUL"),
        (b",".join(b"c%d" % n for n in range(MOST_COLUMNS + 1)) + b"\n1\n", "a.csv", "1,001"),
        (b"sku,prompt," + b"n" * (LONGEST_COLUMN + 1) + b"\nA,a,b\n", "a.csv", "begins with"),
        (b'{"sku": "A", "prompt": "a", "' + b"n" * 501 + b'": 1}', "a.jsonl", "begins with"),
    ],
)
def test_what_has_no_end_is_refused_in_words(content, name, words):
    with pytest.raises(InvalidSheetError) as caught:
        make_order(read_sheet(content, name=name), {}, LIMITS)
    assert words in caught.value.detail + str(caught.value.extensions["errors"])
    assert len(str(caught.value.extensions["errors"])) < 10_000


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1+1"])
def test_a_formula_is_text_on_the_way_in_and_harmless_on_the_way_out(cell):
    stream = io.StringIO()
    csv.writer(stream).writerows([["sku", "prompt"], [cell, f"a {cell}"]])
    sheet = read_sheet(stream.getvalue().encode())
    (wanted,) = make_order(sheet, {}, LIMITS).wanted
    assert (wanted.sku, wanted.spec.prompt) == (cell, f"a {cell}")
    from catalogue.results import ResultLine

    outcome = ResultLine(
        row=wanted.row, variant=1, status="queued", error=None, error_code=None, retry_helps=None,
        image=None, seed=1, cache="miss", seconds=None, warning=None, model=None,
        revision=None, ai_use=None,
    )  # fmt: skip
    assert format_lines(["sku"], [outcome]).startswith(f"'{cell}")
