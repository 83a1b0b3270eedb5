"""Which photograph is whose, row by row."""

from uuid import UUID

from catalogue.issues import Issues
from catalogue.photograph_rows import PhotographRow, read_photograph_rows
from catalogue.sheets.model import Hints
from catalogue.sheets.readers import read_sheet

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
OTHER = UUID("01890a5d-ac96-774b-bcce-b302099a8058")


def read(text: str, sent: dict[int, UUID] | None = None) -> tuple[list[PhotographRow], Issues]:
    issues = Issues()
    sheet = read_sheet(text.encode(), name="sheet.csv", hints=Hints())
    return read_photograph_rows(sheet, sent or {}, issues), issues


def test_a_cell_names_an_address_or_a_source():
    rows, issues = read(f"sku,image\nA,https://shop.example/a.jpg\nB,{ID}\n")
    assert not issues
    assert [(one.sku, one.photograph) for one in rows] == [
        ("A", "https://shop.example/a.jpg"),
        ("B", ID),
    ]


def test_what_was_sent_wins():
    rows, issues = read("sku,image\nA,https://shop.example/a.jpg\n", {2: ID})
    assert not issues
    assert rows[0].photograph == ID


def test_the_variants_own_photograph_wins_in_an_export():
    rows, issues = read(
        "Handle,Title,Variant SKU,Image Src,Variant Image\n"
        "mug,Mug,M-1,https://shop.example/mug.jpg,\n"
        "mug,,M-2,,https://shop.example/red.jpg\n"
    )
    assert not issues
    assert [one.photograph for one in rows] == [
        "https://shop.example/mug.jpg",
        "https://shop.example/red.jpg",
    ]


def test_rows_without_a_photograph_are_named_each():
    rows, issues = read("sku,image\nA,\nB,mug.jpg\nC,https://shop.example/c.jpg\n")
    assert [one.sku for one in rows] == ["C"]
    assert [(one.line, one.column) for one in issues] == [(2, "image"), (3, "image")]
    assert "no photograph" in next(iter(issues)).message


def test_masks_are_addresses_or_sources():
    rows, issues = read(
        f"sku,image,mask\nA,{ID},{OTHER}\nB,{ID},\nC,{ID},http://shop.example/m.png\nD,{ID},round\n"
    )
    assert [one.mask for one in rows] == [OTHER, None, "http://shop.example/m.png"]
    assert [(one.line, one.column) for one in issues] == [(5, "mask")]


def test_a_photograph_for_a_line_that_is_no_row_is_named():
    _, issues = read(f"sku,image\nA,{ID}\n", {7: ID})
    assert [one.line for one in issues] == [7]


def test_a_sheet_needs_skus():
    rows, issues = read(f"name,image\nA,{ID}\n")
    assert not rows
    assert {one.column for one in issues} == {"sku"}
