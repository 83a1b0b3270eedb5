"""What is not UTF-8: read in the encoding it must be in, or as UTF-8 with some bytes mended."""

import re
from itertools import islice

from catalogue.issues import Issue, refuse
from catalogue.sheets.detection import LATIN, guess
from catalogue.sheets.encodings import Decoded, around, line_of, line_of_byte, name_of

_STRAY = re.compile(r"[\udc80-\udcff]")
_UNICODE_LINE = re.compile(r"(?:\A|(?<=[\r\n]))[^\r\n\udc80-\udcff]++(?=[\r\n]|\Z)")
_OTHER = re.compile(r"[^\x00-\x7f]")
_SHOWN_PLACES = 3


def decode_other(content: bytes, error: UnicodeDecodeError) -> Decoded:
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
        place = f"byte 0x{content[error.start]:02x} in line {line_of_byte(content, error.start)}"
        other = line_of_byte(content, second.start)
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
    shown = "; ".join(f"line {line_of(text, one)}: “{around(text, one)}”" for one in places)
    more = "; …" if stray > len(places) else ""
    what = "1 byte is not" if stray == 1 else f"{stray:,} bytes are not"
    message = (
        f"The file is UTF-8, but {what}, and was read as {_shown_name(encoding)}: look whether it "
        f"is right in {shown}{more}. If not, correct the place, and save the sheet as “CSV UTF-8”."
    )
    warning = Issue(line=line_of(text, places[0]), message=message)
    return Decoded(text=text, encoding="utf-8", warnings=[warning])


def _guessed(text: str, escaped: str, encoding: str, *, sure: bool) -> Decoded:
    """Report in which encoding a text was read, and show where that can be seen."""
    first = _STRAY.search(escaped)
    byte = ord(first[0]) - 0xDC00 if first else 0
    start = _first_letter(text)
    line = line_of(text, start)
    doubt = "" if sure else " It has too few letters to be sure."
    message = (
        f"The file is not UTF-8 (byte 0x{byte:02x} in line {line}) and was read as "
        f"{_shown_name(encoding)}: look whether “{around(text, start)}” is right.{doubt} If it is "
        "wrong, name its `encoding`, or save the sheet again as “CSV UTF-8”."
    )
    return Decoded(
        text=text,
        encoding=name_of(encoding),
        warnings=[Issue(line=line, message=message)],
    )


def _first_letter(text: str) -> int:
    found = _OTHER.search(text)
    return found.start() if found else 0


def _shown_name(encoding: str) -> str:
    return name_of(encoding).replace("windows", "Windows")
