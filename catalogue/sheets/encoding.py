"""Bytes to text: Unicode, what a detector finds with a warning, or what the caller says.

What is UTF-8 but for some bytes is read as UTF-8, and those bytes alone are mended.
"""

import codecs
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from catalogue.issues import Issue, refuse
from catalogue.sheets.detection import LATIN, guess

_MARKS = (
    # Before UTF-16, whose mark its own begins with.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "us-ascii",
    "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254",
    "windows-1255", "windows-1256", "windows-1257", "windows-1258",
    "iso-8859-1", "iso-8859-2", "iso-8859-5", "iso-8859-7", "iso-8859-9", "iso-8859-15",
    "ibm850", "ibm852", "ibm866", "macintosh", "koi8-r",
    "shift_jis", "cp932", "euc-jp", "iso-2022-jp", "gb18030", "big5", "euc-kr", "cp949",
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

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MOST_CONTROLS = 0.02
"""Share of a file's characters; more of them are no slips, and the file is no text."""
_ESCAPE_OF_JAPANESE = re.compile(rb"\x1b\$[@B]")
_BEGINNING = re.compile(r"[\s\ufeff]*")
_PAGE = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)
_DECLARATION = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_NEWLINE = re.compile(r"[\r\n]")
_SHOWN = 20
"""Characters around a place that are shown."""
_LOOKED_AT = 4000
"""Bytes that tell whether UTF-16 or UTF-32 comes without its mark."""
_SHOWN_PLACES = 3
_FEW_CONTROLS = 3
_STRAY = re.compile(r"[\udc80-\udcff]")
_UNICODE_LINE = re.compile(r"(?:\A|(?<=[\r\n]))[^\r\n\udc80-\udcff]++(?=[\r\n]|\Z)")
_OTHER = re.compile(r"[^\x00-\x7f]")
_UNICODE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A file's text."""

    text: str
    """Without its byte order mark."""
    encoding: str
    """A name in `ENCODINGS`."""
    warnings: Sequence[Issue] = field(default_factory=tuple)
    """One when the encoding was guessed or bytes mended, and one when characters were dropped."""


def encoding_name(name: str) -> str | None:
    """Return the name by which we call an encoding; None when it is not one that is read."""
    try:
        # Python does not know what the web calls it.
        name = "cp932" if name.strip().lower() == "windows-31j" else name
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
            f"This is no CSV but a binary file (0x00 at byte {zero + 1}, in line "
            f"{_line(content, zero)}). Export it as CSV from the program that made it, and send "
            "that."
        )
    if _ESCAPE_OF_JAPANESE.search(content):
        return _decode_named(content, "iso-2022-jp")
    try:
        return Decoded(text=content.decode("utf-8"), encoding="utf-8")
    except UnicodeDecodeError as error:
        return _decode_other(content, error)


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
    if not _NEWLINE.search(text):
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
        line = _line(content, error.start)
        refuse(
            f"The file begins as {encoding.upper()}, but byte {error.start + 1} after the mark "
            f"(line {line}) is not ({error.reason}). Save the sheet again as “CSV UTF-8”.",
            line=line,
        )


def _decode_other(content: bytes, error: UnicodeDecodeError) -> Decoded:
    """Read what is not UTF-8: as UTF-8 with some bytes mended, or in the encoding it must be in."""
    # Bytes that are no UTF-8 become halves of UTF-16 pairs, which no text has.
    escaped = content.decode("utf-8", "surrogateescape")
    whole = escaped.encode("utf-8", "ignore").decode()
    stray = len(escaped) - len(whole)
    good = len(whole) - len(whole.encode("ascii", "ignore"))
    found = guess(content, escaped)
    has_line = any(_OTHER.search(one[0]) for one in _UNICODE_LINE.finditer(escaped))
    # Texts in other encodings look like UTF-8 for some characters, but not for lines, or for most.
    if good >= (stray if has_line else 4 * stray):
        is_letters = found is not None and found.sure and not found.is_east_asian
        return _mended(escaped, found.encoding if found and is_letters else "cp1252", stray)
    if found is None:
        return _as_windows_1252(content, escaped, error)
    is_whole = found.is_east_asian or (found.encoding not in LATIN and not has_line)
    text = _replaced(escaped, found.encoding)
    if is_whole:
        text = _whole(content, text, found.encoding)
    return _guessed(text, escaped, found.encoding, sure=found.sure)


def _whole(content: bytes, replaced: str, encoding: str) -> str:
    """Read all of a text in an encoding; as it was read else, where what is UTF-8 does not fit."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return replaced


def _as_windows_1252(content: bytes, escaped: str, error: UnicodeDecodeError) -> Decoded:
    """Read what looks like no language as what Western European Excel writes."""
    try:
        content.decode("cp1252")
    except UnicodeDecodeError as second:
        place = f"byte 0x{content[error.start]:02x} in line {_line(content, error.start)}"
        other = _line(content, second.start)
        refuse(
            f"The encoding cannot be told: {place} is not UTF-8, and byte "
            f"0x{content[second.start]:02x} in line {other} (byte {second.start + 1} of the file) "
            "is not Windows-1252. Name it as `encoding`, or save the sheet again as “CSV UTF-8”.",
            line=other,
        )
    return _guessed(_replaced(escaped, "cp1252"), escaped, "cp1252", sure=False)


def _replaced(escaped: str, encoding: str) -> str:
    """Read the bytes that are no UTF-8 in an encoding of one byte per letter."""
    letters = {0xDC00 + byte: bytes([byte]).decode(encoding, "replace") for byte in range(128, 256)}
    return escaped.translate(letters)


def _mended(escaped: str, encoding: str, stray: int) -> Decoded:
    """Read UTF-8 whose stray bytes are in another encoding, and show the first of them."""
    text = _replaced(escaped, encoding)
    places = [found.start() for found in islice(_STRAY.finditer(escaped), _SHOWN_PLACES)]
    shown = "; ".join(f"line {_line_of(text, one)}: “{_around(text, one)}”" for one in places)
    more = "; …" if stray > len(places) else ""
    what = "1 byte is not" if stray == 1 else f"{stray:,} bytes are not"
    message = (
        f"The file is UTF-8, but {what}, and was read as {_shown_name(encoding)}: look whether it "
        f"is right in {shown}{more}. If not, correct the place, and save the sheet as “CSV UTF-8”."
    )
    warning = Issue(line=_line_of(text, places[0]), message=message)
    return Decoded(text=text, encoding="utf-8", warnings=[warning])


def _guessed(text: str, escaped: str, encoding: str, *, sure: bool) -> Decoded:
    """Report in which encoding a text was read, and show where that can be seen."""
    first = _STRAY.search(escaped)
    byte = ord(first[0]) - 0xDC00 if first else 0
    start = _first_letter(text)
    line = _line_of(text, start)
    doubt = "" if sure else " It has too few letters to be sure."
    message = (
        f"The file is not UTF-8 (byte 0x{byte:02x} in line {line}) and was read as "
        f"{_shown_name(encoding)}: look whether “{_around(text, start)}” is right.{doubt} If it is "
        "wrong, name its `encoding`, or save the sheet again as “CSV UTF-8”."
    )
    return Decoded(
        text=text,
        encoding=_name_of(encoding),
        warnings=[Issue(line=line, message=message)],
    )


def _first_letter(text: str) -> int:
    found = _OTHER.search(text)
    return found.start() if found else 0


def _around(text: str, position: int) -> str:
    """Show a place of a text within its line."""
    before = _NEWLINE.split(text[max(0, position - _SHOWN) : position])[-1]
    return (before + _NEWLINE.split(text[position : position + _SHOWN])[0]).strip()


def _name_of(encoding: str) -> str:
    return _NAMES[codecs.lookup(encoding).name]


def _shown_name(encoding: str) -> str:
    return _name_of(encoding).replace("windows", "Windows")


def _line_of(text: str, position: int) -> int:
    ends = (text.count(end, 0, position) for end in ("\r", "\n"))
    return 1 + sum(ends) - text.count("\r\n", 0, position)


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
    place = f"0x{ord(first[0]):02x} in line {_line_of(text, first.start())}"
    kept, count = _CONTROL.subn(" ", text)
    if count > _FEW_CONTROLS and count > _MOST_CONTROLS * len(text):
        refuse(
            f"This is no CSV but a binary file (it has {count:,} control characters, the first is "
            f"{place}). Export it as CSV from the program that made it, and send that."
        )
    what = "A control character was" if count == 1 else f"{count:,} control characters were"
    message = (
        f"{what} taken for a blank ({place}): look whether “{_around(kept, first.start())}” is "
        "right."
    )
    warning = Issue(line=_line_of(text, first.start()), message=message)
    return replace(decoded, text=kept, warnings=[*decoded.warnings, warning])


def _line(content: bytes, position: int) -> int:
    ends = (content.count(end, 0, position) for end in (b"\r", b"\n"))
    return 1 + sum(ends) - content.count(b"\r\n", 0, position)
