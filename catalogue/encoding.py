"""Bytes to text: UTF-8, UTF-16, Windows-1252 with a warning, or what the caller says."""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalogue.issues import Issue, refuse

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "us-ascii",
    "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254",
    "windows-1255", "windows-1256", "windows-1257", "windows-1258",
    "iso-8859-1", "iso-8859-2", "iso-8859-7", "iso-8859-9", "iso-8859-15",
    "macintosh", "koi8-r", "shift_jis", "euc-jp", "gb18030", "big5", "euc-kr",
)  # fmt: skip
"""What may be named, by request or by an XML declaration."""

_NAMES: Mapping[str, str] = {codecs.lookup(name).name: name for name in ENCODINGS} | {
    # Python's and pandas's name for UTF-8 with its mark.
    "utf-8-sig": "utf-8"
}

_FILES = (
    (b"PK\x03\x04", "an Excel workbook or another zip file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PAGE = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)
_DECLARATION = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_NEWLINE = re.compile(r"[\r\n]")
_SHOWN_BYTES = 20
_LOOKED_AT = 400
"""Bytes that tell whether UTF-16 comes without its mark."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A file's text."""

    text: str
    """Without its byte order mark."""
    encoding: str
    """A name in `ENCODINGS`."""
    warnings: Sequence[Issue] = field(default_factory=tuple)
    """One when the encoding was guessed."""


def encoding_name(name: str) -> str | None:
    """Give the name by which we call an encoding; None when it is not one that is read."""
    try:
        return _NAMES.get(codecs.lookup(name.strip()).name)
    except (LookupError, ValueError):
        return None


def decode(content: bytes, encoding: str | None = None) -> Decoded:
    """Read a sheet's text.

    Args:
        content: The file.
        encoding: What the caller says; None finds it out.

    Raises:
        InvalidSheetError: It is no text, or in an encoding that cannot be told.
    """
    _refuse_other_files(content)
    if encoding is not None:
        return _decode_named(content, encoding)
    for mark, found in _MARKS:
        if content.startswith(mark):
            return Decoded(text=_decode_marked(content[len(mark) :], found), encoding=found)
    unmarked = _unmarked(content)
    if unmarked:
        return _decode_named(content, unmarked)
    if control := _CONTROL.search(content):
        place = f"byte {control.start() + 1}, in line {_line(content, control.start())}"
        refuse(
            f"This is no CSV but a binary file (0x{content[control.start()]:02x} at {place}). "
            "Export it as CSV from the program that made it, and send that."
        )
    try:
        return Decoded(text=content.decode("utf-8"), encoding="utf-8")
    except UnicodeDecodeError as error:
        return _decode_windows(content, error)


def decode_xml(content: bytes, encoding: str | None = None) -> Decoded:
    """Read an XML file's text; without a mark its declaration names the encoding.

    Raises:
        InvalidSheetError: It is not in the encoding that it says, or in one that is not read.
    """
    marked = any(content.startswith(mark) for mark, _ in _MARKS)
    declared = _DECLARATION.match(content.lstrip())
    if encoding is None and declared and not marked:
        encoding = declared[1].decode("ascii")
    return decode(content, encoding)


def _refuse_other_files(content: bytes) -> None:
    for beginning, what in _FILES:
        if content.startswith(beginning):
            refuse(
                f"This is {what}, no CSV. Export it as CSV (in Excel: Save As, "
                "“CSV UTF-8 (Comma delimited)”), and send that."
            )
    if _PAGE.match(content):
        refuse(
            "This is a web page, no sheet. Download the sheet itself, or export it as CSV, and "
            "send that."
        )


def _decode_named(content: bytes, encoding: str) -> Decoded:
    """Read what is in the encoding that was named, or nothing."""
    name = encoding_name(encoding)
    if name is None:
        refuse(
            f"The encoding {encoding!r} is not one that is read; those are "
            f"{', '.join(ENCODINGS)}. Or save the sheet again as “CSV UTF-8”."
        )
    for mark, marked in _MARKS:
        if content.startswith(mark) and name in (marked, "utf-16" if "16" in marked else marked):
            content, name = content[len(mark) :], marked
            break
    try:
        return Decoded(text=content.decode(name), encoding=name)
    except UnicodeDecodeError as error:
        line = _line(content, error.start)
        refuse(
            f"The file is not {name}: byte {error.start + 1} (line {line}) does not fit "
            f"({error.reason}). Name its encoding, or save the sheet again as “CSV UTF-8”.",
            line=line,
        )


def _unmarked(content: bytes) -> str | None:
    """Tell UTF-16 without its mark: every second byte of what is mostly ASCII is zero."""
    sample = content[:_LOOKED_AT]
    sample = sample[: len(sample) // 2 * 2]
    first, second = sample[::2], sample[1::2]
    if len(sample) < 4 or (0 in first) == (0 in second):
        return None
    zeros, name = (second, "utf-16-le") if 0 in second else (first, "utf-16-be")
    return name if zeros.count(0) * 10 >= len(zeros) * 9 else None


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


def _decode_windows(content: bytes, error: UnicodeDecodeError) -> Decoded:
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
            "is not Windows-1252. Name it as `encoding`, or save the sheet again as “CSV UTF-8”.",
            line=other,
        )
    sample = _NEWLINE.split(text[max(0, error.start - _SHOWN_BYTES) : error.start])[-1]
    sample += _NEWLINE.split(text[error.start : error.start + _SHOWN_BYTES])[0]
    message = (
        f"The file is not UTF-8 ({place}) and was read as Windows-1252: look whether "
        f"“{sample.strip()}” is right. If not, name its `encoding`, or save the sheet again as "
        "“CSV UTF-8”."
    )
    return Decoded(
        text=text,
        encoding="windows-1252",
        warnings=[Issue(line=line, column=None, message=message)],
    )


def _line(content: bytes, position: int) -> int:
    before = content[:position]
    return 1 + len(re.findall(rb"\r\n|\r|\n", before))
