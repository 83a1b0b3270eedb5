"""Workbooks to rows: what is shown is read, places are named as Excel does, bombs are refused."""

import datetime
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.checks import RequestLimits
from catalogue.sheets.model import Hints, Room, Sheet, SheetSource
from catalogue.sheets.readers import read_sheet
from catalogue.sheets.workbook import container, extent
from catalogue.validate import validate
from core.errors import InvalidSheetError
from tests.unit.catalogue.models import only
from tests.unit.catalogue.workbooks import ods, ods_cell, ods_table, xlsx, xlsx_of

HEADER = ["sku", "prompt"]
ROW = ["MUG-1", "a red mug"]
CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn")), max_size=20)
EMPTY_END = (
    '<table:table-row table:number-rows-repeated="1048000"><table:table-cell '
    'table:number-columns-repeated="16384"/></table:table-row>'
)


def read(content: bytes, **hints: object) -> Sheet:
    return read_sheet(content, name="sheet.xlsx", hints=Hints(**hints))


def cells(content: bytes, **hints: object) -> list[dict[str, str]]:
    return [dict(row.cells) for row in read(content, **hints).rows]


def refusal(content: bytes, **hints: object) -> str:
    with pytest.raises(InvalidSheetError) as caught:
        read(content, **hints)
    return caught.value.detail


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=5
        )
    ),
    st.sampled_from([xlsx_of, lambda rows: ods(ods_table(rows, end=EMPTY_END))]),
)
def test_what_was_written_as_a_workbook_is_read_back(rows, write):
    columns = [f"column {number}" for number in range(len(rows[0]))]
    sheet = read(write([columns, *rows, ["x"] * len(columns)]))
    found = [[row.cells.get(column, "") for column in columns] for row in sheet.rows]
    stripped = [[" ".join(cell.split(" ")).strip() for cell in row] for row in rows]
    expected = [row for row in stripped if any(row)] + [["x"] * len(columns)]
    assert len(found) == len(expected)
    # Consecutive blanks are one in OpenDocument (ODF 1.3, 6.1.2).
    assert [[" ".join(c.split()) for c in row] for row in found] == [
        [" ".join(c.split()) for c in row] for row in expected
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.0, "12"),
        (4006380000000, "4006380000000"),
        (4006381333931, "4006381333931"),
        ("00123", "00123"),
        (19.99, "19.99"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (-5, "-5"),
        (True, "TRUE"),
    ],
)
def test_values_are_as_they_are_shown(value, text):
    assert cells(xlsx_of([["sku", "n"], ["A", value]]))[0]["n"] == text


def test_dates_times_and_formulas_are_their_values():
    def fill(workbook):
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["sku", "day", "moment", "sum", "link"])
        sheet.write(1, 0, "A")
        day = workbook.add_format({"num_format": "dd.mm.yyyy"})
        moment = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet.write_datetime(1, 1, datetime.date(2026, 3, 12), day)
        sheet.write_datetime(1, 2, datetime.datetime(2026, 3, 12, 14, 30), moment)
        sheet.write_formula(1, 3, "=1+1", None, 2)
        sheet.write_formula(1, 4, '="https://shop.example/"&A2', None, "https://shop.example/A")

    assert cells(xlsx(fill)) == [
        {"sku": "A", "day": "2026-03-12", "moment": "2026-03-12 14:30:00", "sum": "2",
         "link": "https://shop.example/A"}
    ]  # fmt: skip


def test_sources_are_told_as_in_csv():
    rows = [["Handle", "Title", "Variant SKU", "Option1 Name", "Option1 Value"],
            ["mug", "Mug", "M-R", "Color", "Red"], ["mug", None, "M-B", None, "Blue"]]  # fmt: skip
    sheet = read(xlsx_of(rows))
    assert sheet.reading.source is SheetSource.SHOPIFY
    assert [row.fields["color"] for row in sheet.rows] == ["Red", "Blue"]


def test_the_header_is_found_below_a_title_and_empty_rows():
    rows = [["Kaai & Co price list"], [], [None, "sku", "prompt"], [None, *ROW]]
    sheet = read(xlsx_of(rows))
    assert dict(sheet.rows[0].cells) == {"sku": "MUG-1", "prompt": "a red mug"}
    assert sheet.rows[0].line == 4
    assert "row 3" in sheet.warnings[-1].message


def test_bad_cells_are_named_as_excel_names_them(limits: RequestLimits):
    rows = [["Price list"], [], ["id", "sku", "prompt", "steps"], [1, "A", "a mug", "many"],
            [2, None, "a mug", 4]]  # fmt: skip
    _, issues = validate(read(xlsx_of(rows)), {}, only(limits))
    found = [(one["cell"], one["line"], one["column"]) for one in issues.documents()]
    assert found == [("D4", 4, "steps"), ("B5", 5, "sku")]


def test_the_first_worksheet_with_a_known_header_is_read_and_the_others_are_named(
    limits: RequestLimits,
):
    def fill(workbook):
        workbook.add_worksheet("Empty")
        workbook.add_worksheet("Notes").write_row(0, 0, ["Made by", "Ann"])
        hidden = workbook.add_worksheet("Old")
        hidden.hide()
        products = workbook.add_worksheet("Products")
        for sheet, sku in ((hidden, "OLD"), (products, "NEW")):
            sheet.write_row(0, 0, HEADER)
            sheet.write_row(1, 0, [sku, "a mug"])

    content = xlsx(fill)
    sheet = read(content)
    assert sheet.reading.worksheet == "Products"
    assert sheet.rows[0].cells["sku"] == "NEW"
    order, _ = validate(sheet, {}, only(limits))
    assert "'Empty', 'Notes', 'Old'" in order.notes[0]["message"]
    assert cells(content, worksheet="old")[0]["sku"] == "OLD"
    assert "it has 'Empty', 'Notes', 'Old', 'Products'. Did you mean 'Products'?" in refusal(
        content, worksheet="Produkts"
    )
    assert "'Empty' has no rows" in refusal(content, worksheet="Empty")


def test_merged_cells_hold_in_each_of_their_rows():
    def fill(workbook):
        sheet = workbook.add_worksheet()
        sheet.merge_range(0, 0, 1, 0, "sku")
        sheet.merge_range(0, 1, 0, 2, "What it is")
        sheet.write_row(1, 1, ["title", "color"])
        sheet.write_column(2, 0, ["A", "B", "C"])
        sheet.merge_range(2, 1, 3, 1, "Mug")
        sheet.write(4, 1, "Vase")
        sheet.write_column(2, 2, ["red", "blue", "green"])

    assert cells(xlsx(fill)) == [
        {"sku": "A", "title": "Mug", "color": "red"},
        {"sku": "B", "title": "Mug", "color": "blue"},
        {"sku": "C", "title": "Vase", "color": "green"},
    ]


def test_columns_under_one_merged_name_are_read_together():
    def fill(workbook):
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["sku"])
        sheet.merge_range(0, 1, 0, 2, "Notes")
        sheet.write_row(1, 0, ["A", "first", "second"])

    assert cells(xlsx(fill)) == [{"sku": "A", "Notes": "first, second"}]


def test_open_document_repeats_cells_and_merges_rows():
    twice = ods_cell(12.0, 'table:number-columns-repeated="2"')
    rest = ods_cell(None, 'table:number-columns-repeated="16380"')
    merged = ods_cell("Mug", 'table:number-rows-spanned="2" table:number-columns-spanned="1"')
    table = (
        '<table:table table:name="Produkte">'
        f"<table:table-row>{ods_cell('sku')}{ods_cell('title')}{ods_cell('size')}"
        f"{ods_cell('weight')}</table:table-row>"
        f"<table:table-row>{ods_cell('A')}{merged}"
        f"{twice}</table:table-row>"
        f"<table:table-row>{ods_cell('B')}<table:covered-table-cell/>"
        f"{rest}</table:table-row>"
        f"{EMPTY_END}</table:table>"
    )
    assert cells(ods(table)) == [
        {"sku": "A", "title": "Mug", "size": "12", "weight": "12"},
        {"sku": "B", "title": "Mug"},
    ]


def test_old_workbooks_are_read_too():
    # Excel's own, from the tests of calamine (MIT licence).
    content = (Path(__file__).parent / "date.xls").read_bytes()
    assert cells(content) == [
        {"2021-01-01": "2021-01-02", "15": "16"},
        {"2021-01-01": "10 days, 15:10:10", "15": "17"},
    ]


def test_what_stands_beside_the_table_is_told_and_left_out():
    sheet = read(xlsx_of([[*HEADER, None, None], [*ROW, None, "ask Ann"]]))
    assert dict(sheet.rows[0].cells) == dict(zip(HEADER, ROW, strict=True))
    assert "beside the columns with names" in sheet.warnings[0].message


def _with_part(content: bytes, name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", 8) as new:
        for one in old.infolist():
            if one.filename != name:
                new.writestr(one, old.read(one))
        new.writestr(name, data)
    return buffer.getvalue()


def _zip(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


ENCRYPTED = container.COMPOUND + b"\0" * 504 + "EncryptedPackage".encode("utf-16-le")
SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ENCRYPTED, "protected by a password"),
        (
            ods(
                ods_table([HEADER, ROW]),
                manifest='<manifest:file-entry manifest:full-path="content.xml">'
                '<manifest:encryption-data manifest:checksum="x"/></manifest:file-entry>',
            ),
            "protected by a password",
        ),
        (_with_part(xlsx_of([HEADER, ROW]), "xl/vbaProject.bin", b"x"), "has macros"),
        (_zip(**{"xl/workbook.bin": b"x"}), ".xlsb"),
        (_zip(**{"Index/Document.iwa": b"x"}), "Numbers"),
        (_zip(**{"products.csv": b"sku,prompt\nA,mug"}), "zip file and no workbook"),
        (xlsx_of([HEADER, ROW])[:-200], "damaged"),
        (_with_part(xlsx_of([HEADER, ROW]), SHEET, b"<worksheet><row"), "damaged"),
        (
            _with_part(
                xlsx_of([HEADER, ROW]), SHEET, b'<!DOCTYPE a [<!ENTITY b "c">]><worksheet/>'
            ),
            "document type",
        ),
        (container.COMPOUND + b"\0" * 600, "no workbook"),
        (container.COMPOUND + "Workbook".encode("utf-16-le") + b"\0" * 600, "damaged"),
        (xlsx_of([]), "no worksheet with rows"),
        (xlsx_of([HEADER]), "header and no rows"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(content, words):
    assert words in refusal(content)


def test_a_table_that_reaches_too_far_is_refused():
    rows = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="9"><c r="XFD1048576"><v>1</v></c></row>'
    content = b"<worksheet><sheetData>" + rows + b"</sheetData></worksheet>"
    assert "XFD1048576" in refusal(_with_part(xlsx_of([HEADER, ROW]), SHEET, content))


def test_rows_that_do_not_say_where_they_are_are_counted():
    wide = b"<row>" + b"<c><v>1</v></c>" * 1000 + b"</row>"
    tall = b"<row><c><v>1</v></c></row>" * 9000
    content = b"<worksheet><sheetData>" + wide + tall + b"</sheetData></worksheet>"
    assert "cell ALL8001" in refusal(_with_part(xlsx_of([HEADER, ROW]), SHEET, content))


def test_one_text_in_many_cells_is_refused(monkeypatch):
    monkeypatch.setattr(extent, "MOST_TEXT", 10_000)
    content = xlsx_of([HEADER, *([f"A{n}", "a mug " * 100] for n in range(20))])
    assert "characters together" in refusal(content)
    table = ods_table([HEADER, ["A", "a mug " * 100]]).replace(
        "<table:table-row>", '<table:table-row table:number-rows-repeated="20">'
    )
    assert "characters together" in refusal(ods(table))


def test_repeated_rows_and_cells_that_say_something_are_counted():
    table = ods_table([HEADER, ROW]).replace(
        "<table:table-row>", '<table:table-row table:number-rows-repeated="999999999">'
    )
    assert "5,000,000 cells" in refusal(ods(table))


def test_what_unpacks_to_too_much_is_refused_whatever_it_says(monkeypatch):
    monkeypatch.setattr(container, "LARGEST_UNPACKED", 2**20)
    bomb = _with_part(xlsx_of([HEADER, ROW]), "xl/media/image1.png", b"\0" * 2**21)
    assert "unpacks to more than" in refusal(bomb)


def test_rows_are_limited_as_in_csv():
    with pytest.raises(InvalidSheetError, match="more than 2 rows"):
        read_sheet(xlsx_of([HEADER, *[ROW] * 3]), room=Room(max_rows=2))


def test_cells_with_a_style_alone_make_no_table_larger():
    def fill(workbook):
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, HEADER)
        sheet.write_row(1, 0, ROW)
        sheet.write_blank(1_048_575, 16_383, None, workbook.add_format({"bold": True}))

    assert len(read(xlsx(fill)).rows) == 1


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_damaged_workbooks_are_read_or_refused_in_words(garbage, position):
    content = xlsx_of([HEADER, ROW])
    position %= len(content)
    broken = content[:4] + content[4:position] + garbage + content[position + len(garbage) :]
    try:
        found = str(read(broken).rows)
    except InvalidSheetError as error:
        found = error.detail
    assert found
