"""Mappings that were said before: taken for the same header, whole or not at all."""

from datetime import UTC, datetime

import pytest

from catalogue.proposals import signature_of
from catalogue.sheets.model import Hints, RememberedMapping, SheetSource
from catalogue.sheets.readers import read_sheet

SHEET = b"Artikel,Ware,Ton\nA,Becher,rot\n"


def recall_of(columns, header=("Artikel", "Ware", "Ton"), source=None):
    found = RememberedMapping(
        id="7", columns=columns, source=source, last_used_at=datetime(2026, 12, 2, tzinfo=UTC)
    )
    kept = {signature_of(header): found}
    return kept.get


def read(content, columns, **hints):
    recall = recall_of(columns, source=hints.pop("remembered_source", None))
    return read_sheet(content, hints=Hints(recall=recall, **hints))


def test_a_sheet_with_the_same_header_is_read_so_and_says_it():
    sheet = read(SHEET, {"sku": "Artikel", "title": "Ware", "width": ""})
    assert sheet.reading.columns["sku"] == "Artikel"
    assert sheet.rows[0].fields["title"] == "Becher"
    assert sheet.named == {"sku": "Artikel", "title": "Ware", "width": ""}
    (note,) = sheet.notes
    assert "last used on 2026-12-02: sku from 'Artikel'" in note.message
    assert "no column as width" in note.message
    assert "`mapping: none`" in note.message
    assert "--forget 7" in note.message


def test_names_may_be_in_another_order_and_case():
    sheet = read(b"ton ,ARTIKEL,Ware\nrot,A,Becher\n", {"sku": "Artikel", "color": "Ton"})
    assert sheet.named == {"sku": "ARTIKEL", "color": "ton"}


@pytest.mark.parametrize(
    "content", [b"Artikel,Ware\nA,Becher\n", b"Artikel,Ware,Ton,steps\nA,Becher,rot,4\n"]
)
def test_another_header_takes_nothing_of_it(content):
    sheet = read(content, {"sku": "Artikel"})
    assert (sheet.remembered, dict(sheet.named), list(sheet.notes)) == (None, {}, [])


def test_a_column_of_two_names_alike_is_unclear_and_nothing_is_taken():
    sheet = read(b"artikel,ARTIKEL,Ware,Ton\nA,B,Becher,rot\n", {"sku": "Artikel", "color": "Ton"})
    assert (sheet.remembered, dict(sheet.named)) == (None, {})


def test_what_was_said_of_one_source_is_not_taken_for_another():
    said = {"source": SheetSource.PLAIN, "remembered_source": SheetSource.WOOCOMMERCE}
    assert read(SHEET, {"sku": "Artikel"}, **said).remembered is None
    said = {"source": SheetSource.PLAIN, "remembered_source": SheetSource.PLAIN}
    assert read(SHEET, {"sku": "Artikel"}, **said).named == {"sku": "Artikel"}


def test_what_is_sure_is_taken_beside_it_and_never_against_it():
    content = b"Artikel-Nr.,Bezeichnung,Farbe\nA,Becher,rot\nB,Becher,blau\n"
    header = ("Artikel-Nr.", "Bezeichnung", "Farbe")
    recall = recall_of({"title": "Farbe", "type": "Bezeichnung"}, header)
    sheet = read_sheet(content, hints=Hints(recall=recall, takes_sure=True))
    assert sheet.named == {"title": "Farbe", "type": "Bezeichnung", "sku": "Artikel-Nr."}
    assert len(sheet.notes) == 2
