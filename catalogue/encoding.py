"""Bytes to text: UTF-8 with or without a mark, UTF-16 with one, Windows-1252 with a warning."""

import codecs
import re

from catalogue.issues import Issue, refuse

_MARKS = (
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

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_NEWLINE = re.compile(r"[\r\n]")
_SHOWN_BYTES = 20


def decode(content: bytes) -> tuple[str, list[Issue]]:
    """Read a sheet's text.

    Returns:
        The text without its byte order mark, and a warning when the encoding was guessed.

    Raises:
        InvalidSheetError: It is no text, or in an encoding that cannot be told.
    """
    _refuse_other_files(content)
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decode_marked(content[len(mark) :], encoding), []
    if control := _CONTROL.search(content):
        place = f"byte {control.start() + 1}, in line {_line(content, control.start())}"
        refuse(
            f"This is no CSV but a binary file (0x{content[control.start()]:02x} at {place}). "
            "Export it as CSV from the program that made it, and send that."
        )
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError as error:
        return _decode_windows(content, error)


def _refuse_other_files(content: bytes) -> None:
    for beginning, what in _FILES:
        if content.startswith(beginning):
            refuse(
                f"This is {what}, no CSV. Export it as CSV (in Excel: Save As, "
                "“CSV UTF-8 (Comma delimited)”), and send that."
            )
    if _PAGE.match(content):
        refuse(
            "This is a web page or an XML file, no CSV. Download the sheet itself, or export it "
            "as CSV, and send that."
        )


def _decode_marked(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line(content, error.start)
        refuse(
            f"The file begins as {encoding.upper()}, but byte {error.start + 1} after the mark "
            f"(line {line}) is not ({error.reason}). Save the sheet again as “CSV UTF-8”.",
            line=line,
        )


def _decode_windows(content: bytes, error: UnicodeDecodeError) -> tuple[str, list[Issue]]:
    """Read what is not UTF-8 as Windows-1252, which Western European Excel writes."""
    line = _line(content, error.start)
    place = f"byte 0x{content[error.start]:02x} in line {line}"
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as second:
        other = _line(content, second.start)
        refuse(
            f"The encoding cannot be told: {place} is not UTF-8, and byte "
            f"0x{content[second.start]:02x} in line {other} (byte {second.start + 1} of the file) "
            "is not Windows-1252. Save the sheet again as “CSV UTF-8”.",
            line=other,
        )
    sample = _NEWLINE.split(text[max(0, error.start - _SHOWN_BYTES) : error.start])[-1]
    sample += _NEWLINE.split(text[error.start : error.start + _SHOWN_BYTES])[0]
    message = (
        f"The file is not UTF-8 ({place}) and was read as Windows-1252: look whether "
        f"“{sample.strip()}” is right. If not, save the sheet again as “CSV UTF-8”."
    )
    return text, [Issue(line=line, column=None, message=message)]


def _line(content: bytes, position: int) -> int:
    before = content[:position]
    return 1 + len(re.findall(rb"\r\n|\r|\n", before))
