"""Workbooks that others wrote: XlsxWriter's, and OpenDocument as LibreOffice writes it."""

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import escape

import xlsxwriter

_CONTENT = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content
  xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
  xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
  xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.3">
<office:body><office:spreadsheet>{}</office:spreadsheet></office:body></office:document-content>"""
_MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">
<manifest:file-entry manifest:full-path="/"
  manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>
{}</manifest:manifest>"""


def xlsx(fill: Callable[[xlsxwriter.Workbook], Any], **options: Any) -> bytes:
    """Return a workbook that a function fills."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, **options}) as workbook:
        fill(workbook)
    return buffer.getvalue()


def xlsx_of(rows: Sequence[Sequence[Any]], name: str | None = None) -> bytes:
    """Return a workbook of one worksheet: texts as texts, numbers as numbers."""

    def fill(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(number, column, value)
                elif value is not None:
                    sheet.write(number, column, value)

    return xlsx(fill)


def ods(tables: str, *, manifest: str = "") -> bytes:
    """Return an OpenDocument spreadsheet with these tables, as XML."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        kind = zipfile.ZipInfo("mimetype")
        archive.writestr(kind, "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", _MANIFEST.format(manifest))
        archive.writestr("content.xml", _CONTENT.format(tables))
    return buffer.getvalue()


def ods_cell(value: Any, attributes: str = "") -> str:
    """Return a cell as LibreOffice writes it."""
    if value is None:
        return f"<table:table-cell {attributes}/>"
    if isinstance(value, str):
        text = f"<text:p>{escape(value)}</text:p>"
        return (
            f'<table:table-cell office:value-type="string" {attributes}>{text}</table:table-cell>'
        )
    return (
        f'<table:table-cell office:value-type="float" office:value="{value!r}" {attributes}>'
        f"<text:p>{value}</text:p></table:table-cell>"
    )


def ods_table(rows: Sequence[Sequence[Any]], name: str = "Sheet1", end: str = "") -> str:
    """Return a table, with the rows that its program adds at its end."""
    lines = "".join(
        f"<table:table-row>{''.join(map(ods_cell, row))}</table:table-row>" for row in rows
    )
    return f'<table:table table:name="{name}">{lines}{end}</table:table>'
