"""Which reader a file needs."""

import codecs
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from catalogue.issues import Issue, refuse
from catalogue.platforms import recognise
from catalogue.proposals import sure_columns
from catalogue.remembered import tell_remembered, with_remembered
from catalogue.sheets.csv_layout import SEPARATOR_NAMES
from catalogue.sheets.encodings import ENCODINGS, encoding_name
from catalogue.sheets.feed import read_feed
from catalogue.sheets.json_lines import read_json_lines, take_rows
from catalogue.sheets.model import Hints, Room, Sheet, SheetSource
from catalogue.sheets.separated import read_csv
from catalogue.sheets.workbook.container import is_container
from catalogue.sheets.workbook.reading import read_workbook

_JSON_LINES = {".jsonl", ".ndjson"}
_JSON_LINES_TYPES = {
    "application/jsonl",
    "application/jsonlines",
    "application/json-lines",
    "application/ndjson",
    "application/x-jsonlines",
    "application/x-ndjson",
}
_BEGINNING_OF_XML = re.compile(r"\s*<(\?xml\b|rss\b|feed\b|!--)")
_BEGINNING_OF_ELEMENT = re.compile(r"\s*<[A-Za-z_][\w.:-]*[\s>/]")
_TABLES = {".csv", ".tsv"}
"""Extensions of files that are no XML, though a name of a column may begin with a tag."""
_BEGINNING_OF_JSON = re.compile(r"\s*(\[\s*)?\{\s*(\"[^\"]*\"\s*:|\r|\n|$)")
_LOOKED_AT = 200
"""Bytes in which a feed or JSON begins."""


def read_sheet(
    content: bytes,
    *,
    name: str = "",
    content_type: str = "",
    hints: Hints | None = None,
    room: Room | None = None,
) -> Sheet:
    """Read a file of products, and find out whose export it is.

    Workbooks and XML are told by how they begin; CSV and JSONL by the file's extension, then by its
    content type.

    Args:
        content: The file.
        name: Its name, for its extension.
        content_type: What the client says that it is.
        hints: What the caller knows about it; that is not looked for.
        room: How large it may be.

    Returns:
        The rows that can be read; what is wrong with other lines is in the sheet's `issues`.

    Raises:
        InvalidSheetError: Nothing of it can be read, or it is too large.
    """
    hints = hints or Hints()
    if is_container(content):
        return _recognise(read_workbook(content, hints, room), hints)
    extension = PurePath(name).suffix.lower()
    if extension == ".json":
        refuse(
            "A .json file is neither CSV nor JSONL. Write one JSON object per line and call it "
            '.jsonl, or send the rows as `application/json`: {"rows": [...]}.'
        )
    media_type = content_type.partition(";")[0].strip().lower()
    is_json_lines = extension in _JSON_LINES or (
        media_type in _JSON_LINES_TYPES and extension not in {".csv", ".tsv", ".txt", ".xml"}
    )
    if not is_json_lines and _BEGINNING_OF_JSON.match(_head(content)):
        refuse(
            "This is JSON and no CSV. If each line is one object, call the file .jsonl; if it is "
            'a list, send its objects as `application/json`: {"rows": [...]}.'
        )
    read = (
        read_json_lines if is_json_lines else read_feed if _is_xml(content, extension) else read_csv
    )
    return _recognise(read(content, hints, room), hints)


def read_rows(values: Iterable[Any], hints: Hints | None = None, room: Room | None = None) -> Sheet:
    """Take rows that were sent as JSON; their numbers, from 1, stand for lines.

    Raises:
        InvalidSheetError: Nothing of them can be read, or they are too many.
    """
    return _recognise(take_rows(values, room), hints or Hints())


def _recognise(sheet: Sheet, hints: Hints) -> Sheet:
    """Find out what columns mean: as was said before of such a header, as they surely seem."""
    hints, remembered = with_remembered(hints, sheet.columns)
    found = recognise(sheet, hints)
    notes = [tell_remembered(remembered, hints.columns)] if remembered else []
    if sure := _sure(found, hints):
        hints = replace(hints, columns={**sure, **hints.columns})
        found = recognise(sheet, hints)
        taken = ", ".join(f"{name} from {column!r}" for name, column in sure.items())
        notes.append(f"Columns were mapped by their names and contents: {taken}.")
    return replace(
        found,
        named=hints.columns,
        remembered=remembered,
        notes=(*found.notes, *(Issue(line=None, message=one) for one in notes)),
    )


def _sure(found: Sheet, hints: Hints) -> dict[str, str]:
    """Return what a plain sheet's columns surely are, where the caller wants that taken."""
    if not hints.takes_sure or found.reading.source is not SheetSource.PLAIN:
        return {}
    return {
        name: column
        for name, column in sure_columns(found).items()
        if name not in hints.columns and column not in hints.columns.values()
    }


def check_encoding(name: str) -> str | None:
    """Return the reason why an encoding is not read, or None."""
    if encoding_name(name):
        return None
    return f"{name!r} is not an encoding that is read; those are {', '.join(ENCODINGS)}."


def parse_separator(text: str) -> str | None:
    """Read a separator, as itself or by name; None when it is none."""
    separator = SEPARATOR_NAMES.get(text.lower(), text)
    is_mark = separator.isprintable() and re.fullmatch(r"[^\w\s\"']", separator)
    return separator if separator == "\t" or is_mark else None


def _is_xml(content: bytes, extension: str) -> bool:
    head = _head(content)
    is_element = extension not in _TABLES and _BEGINNING_OF_ELEMENT.match(head)
    return bool(_BEGINNING_OF_XML.match(head) or is_element)


def _head(content: bytes) -> str:
    """Return a file's beginning without marks, as far as it is ASCII."""
    # Zero bytes dropped: UTF-16 looks like this.
    head = content[:_LOOKED_AT].replace(b"\x00", b"")
    return head.lstrip(codecs.BOM_UTF8 + b"\xff\xfe \t\r\n").decode("latin-1")
