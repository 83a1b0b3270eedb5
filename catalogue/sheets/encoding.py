"""Bytes to text: Unicode, what a detector finds with a warning, or what the caller says.

What is UTF-8 but for some bytes is read as UTF-8, and those bytes alone are mended.
"""

import codecs
import re
import unicodedata
from dataclasses import replace

from catalogue.issues import Issue, refuse
from catalogue.sheets.encodings import (
    ENCODINGS,
    Decoded,
    around,
    encoding_name,
    line_of,
    line_of_byte,
)
from catalogue.sheets.not_utf8 import decode_other

_MARKS = (
    # Before UTF-16, whose mark its own begins with.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_FILES = (
    (b"PK\x03\x04", "an Excel workbook or another zip file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MOST_CONTROLS = 0.02
"""Share of a file's characters; more of them are no slips, and the file is no text."""
_ESCAPE_OF_JAPANESE = re.compile(rb"\x1b\$[@B]")
_BEGINNING = re.compile(r"[\s\ufeff]*")
_PAGE = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)
_DECLARATION = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_LOOKED_AT = 4000
"""Bytes that tell whether UTF-16 or UTF-32 comes without its mark."""
_FEW_CONTROLS = 3
_UNICODE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")


def decode(content: bytes, encoding: str | None = None) -> Decoded:
    """Read a sheet's text.

    Args:
        content: The file.
        encoding: What the caller says; None finds it out.

    Raises:
        InvalidSheetError: It is no text, or in an encoding that cannot be told.
    """
    _refuse_other_files(content)
    return _without_controls(_without_marks(_decode(content, encoding)))


def _decode(content: bytes, encoding: str | None) -> Decoded:
    if encoding is not None:
        return _decode_named(content, encoding)
    for mark, found in _MARKS:
        if content.startswith(mark):
            return Decoded(text=_decode_marked(content[len(mark) :], found), encoding=found)
    unmarked = _unmarked(content)
    if unmarked:
        return _decode_named(content, unmarked)
    if (zero := content.find(0)) >= 0:
        refuse(
            f"This is a binary file, not CSV (0x00 at byte {zero + 1}, in line "
            f"{line_of_byte(content, zero)}). Export it as CSV from the program that made it, and "
            "send that."
        )
    if _ESCAPE_OF_JAPANESE.search(content):
        return _decode_named(content, "iso-2022-jp")
    try:
        return Decoded(text=content.decode("utf-8"), encoding="utf-8")
    except UnicodeDecodeError as error:
        return decode_other(content, error)


def decode_xml(content: bytes, encoding: str | None = None) -> Decoded:
    """Read an XML file's text; without a mark its declaration names the encoding.

    Raises:
        InvalidSheetError: It is not in the encoding that it says, or in one that is not read.
    """
    marked = any(content.startswith(mark) for mark, _ in _MARKS)
    declared = _DECLARATION.search(content[:_LOOKED_AT])
    if encoding is None and declared and not marked:
        encoding = declared[1].decode("ascii")
    return decode(content, encoding)


def _refuse_other_files(content: bytes) -> None:
    for beginning, what in _FILES:
        if content.startswith(beginning):
            refuse(
                f"This is {what}, not CSV. Export it as CSV (in Excel: Save As, "
                "“CSV UTF-8 (Comma delimited)”), and send that."
            )
    if _PAGE.match(content):
        refuse(
            "This is a web page, not a sheet. Download the sheet itself, or export it as CSV, and "
            "send that."
        )


def _decode_named(content: bytes, encoding: str) -> Decoded:
    """Read what is in the encoding that was named, or nothing."""
    name = encoding_name(encoding)
    if name is None:
        refuse(
            f"The encoding {encoding!r} cannot be read. Choose one of "
            f"{', '.join(ENCODINGS)}. Or save the sheet again as “CSV UTF-8”."
        )
    for mark, marked in _MARKS:
        if content.startswith(mark) and name in (marked, "utf-16" if "16" in marked else marked):
            content, name = content[len(mark) :], marked
            break
    try:
        return Decoded(text=content.decode(name), encoding=name)
    except UnicodeDecodeError as error:
        line = line_of_byte(content, error.start)
        refuse(
            f"The file is not {name}: byte {error.start + 1} (line {line}) does not fit "
            f"({error.reason}). Name its encoding, or save the sheet again as “CSV UTF-8”.",
            line=line,
        )


def _unmarked(content: bytes) -> str | None:
    """Detect UTF-16 or UTF-32 without its mark: read so, a sheet has ends of lines, no rubbish."""
    if 0 not in content[:_LOOKED_AT]:
        return None
    found = {name: _readable(content, name) for name in _UNICODE}
    best = max(found, key=lambda name: found[name])
    return best if found[best] else None


def _readable(content: bytes, encoding: str) -> int:
    """Count the ASCII characters that a text has when read so; 0: it is no text."""
    width = 4 if "32" in encoding else 2
    if len(content) % width:
        return 0
    try:
        text = content[:_LOOKED_AT].decode(encoding)
    except UnicodeDecodeError as error:
        if error.end < min(len(content), _LOOKED_AT):
            return 0
        text = content[: error.start].decode(encoding)
    if "\n" not in text and "\r" not in text:
        return 0
    # Unassigned, private and surrogate ones, and controls but for tabs and ends of lines.
    if any(
        unicodedata.category(one) in ("Cc", "Cn", "Co", "Cs") for one in set(text) - set("\t\r\n")
    ):
        return 0
    return sum(one.isascii() for one in text)


def _decode_marked(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = line_of_byte(content, error.start)
        refuse(
            f"The file begins as {encoding.upper()}, but byte {error.start + 1} after the mark "
            f"(line {line}) is not ({error.reason}). Save the sheet again as “CSV UTF-8”.",
            line=line,
        )


def _without_marks(decoded: Decoded) -> Decoded:
    """Drop byte order marks behind blank lines, which programs that were printed before leave."""
    beginning = _BEGINNING.match(decoded.text)
    if beginning is None or "\ufeff" not in beginning[0]:
        return decoded
    kept = beginning[0].replace("\ufeff", "") + decoded.text[beginning.end() :]
    return replace(decoded, text=kept)


def _without_controls(decoded: Decoded) -> Decoded:
    """Take control characters for blanks, with a warning; a file of many is no text."""
    text = decoded.text
    first = _CONTROL.search(text)
    if first is None:
        return decoded
    place = f"0x{ord(first[0]):02x} in line {line_of(text, first.start())}"
    kept, count = _CONTROL.subn(" ", text)
    if count > _FEW_CONTROLS and count > _MOST_CONTROLS * len(text):
        refuse(
            f"This is a binary file, not CSV (it has {count:,} control characters, the first is "
            f"{place}). Export it as CSV from the program that made it, and send that."
        )
    what = "A control character was" if count == 1 else f"{count:,} control characters were"
    message = (
        f"{what} read as a blank ({place}): check whether “{around(kept, first.start())}” is right."
    )
    warning = Issue(line=line_of(text, first.start()), message=message)
    return replace(decoded, text=kept, warnings=[*decoded.warnings, warning])
