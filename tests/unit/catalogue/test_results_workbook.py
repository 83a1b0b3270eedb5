"""results.xlsx: read by another library, nothing in it is a formula, and it can be sent again."""

import io
import zipfile

import pytest
from PIL import Image
from python_calamine import CalamineWorkbook

from catalogue.results import OUTCOME, THUMBNAIL, ResultLine
from catalogue.results_workbook import EDGE, ResultsWorkbook, thumbnail_of
from catalogue.sheets.readers import read_sheet

COLUMNS = ["sku", "prompt", "data"]


def line(**row: object) -> ResultLine:
    return ResultLine(
        row=row, variant=1, status="succeeded", error=None, error_code=None, retry_helps=None,
        image="/v1/jobs/1/image", seed=2**63 - 1, cache="miss", seconds=1.25, warning=None,
        model="starter", revision="abc", ai_use="generated", further=["MUG.jpg"],
    )  # fmt: skip


def written(*lines: ResultLine, thumbnail: bytes | None = None) -> bytes:
    target = io.BytesIO()
    workbook = ResultsWorkbook(target, COLUMNS, ["web_file"])
    for one in lines:
        workbook.add(one, thumbnail)
    workbook.close()
    return target.getvalue()


def rows_in(content: bytes) -> list[list[object]]:
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()


def test_another_library_reads_what_was_written():
    header, row = rows_in(written(line(sku="00123", prompt="a mug", data={"a": [1]})))
    assert header == [*COLUMNS, *OUTCOME, "web_file", THUMBNAIL]
    found = dict(zip(header, row, strict=False))
    assert found["sku"] == "00123"
    assert found["data"] == '{"a": [1]}'
    assert (found["variant"], found["seconds"]) == (1, 1.25)
    assert found["seed"] == str(2**63 - 1)
    assert found["web_file"] == "MUG.jpg"


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://x")', "+1", "-1", "@a", "http://x.test/", "1"]
)
def test_no_text_becomes_anything_else(text):
    content = written(line(sku=text, prompt=text, data=text))
    assert rows_in(content)[1][:3] == [text] * 3
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
        assert "xl/worksheets/_rels/sheet1.xml.rels" not in archive.namelist()


def test_small_pictures_are_in_it():
    image = Image.new("RGB", (640, 320), "red")
    content = written(*[line(sku="A")] * 2, thumbnail=thumbnail_of(image))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = {one for one in archive.namelist() if one.startswith("xl/media/")}
        with Image.open(io.BytesIO(archive.read(name))) as small:
            assert small.size == (EDGE, EDGE // 2)


def test_a_cell_that_excel_does_not_take_is_cut_and_says_so():
    cut = rows_in(written(line(sku="A", prompt="🙂" * 40_000)))[1][1]
    assert len(cut.encode("utf-16-le")) // 2 <= 32_767
    assert cut.endswith("results.csv has all of it)")


def test_it_can_be_sent_again():
    sheet = read_sheet(written(line(sku="'=A", prompt="a mug", data="x")))
    assert [dict(row.cells) for row in sheet.rows] == [
        {"sku": "'=A", "prompt": "a mug", "data": "x"}
    ]
    assert sheet.columns == COLUMNS
