"""Encodings that are read, by the names that people give them, and places in what is read."""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalogue.issues import Issue

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

_NEWLINE = re.compile(r"[\r\n]")
_SHOWN = 20
"""Characters around a place that are shown."""


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


def name_of(encoding: str) -> str:
    """Return our name of one of Python's that is read."""
    return _NAMES[codecs.lookup(encoding).name]


def around(text: str, position: int) -> str:
    """Show a place of a text within its line."""
    before = _NEWLINE.split(text[max(0, position - _SHOWN) : position])[-1]
    return (before + _NEWLINE.split(text[position : position + _SHOWN])[0]).strip()


def line_of(text: str, position: int) -> int:
    """Return the line of a place in a text, from 1."""
    ends = (text.count(end, 0, position) for end in ("\r", "\n"))
    return 1 + sum(ends) - text.count("\r\n", 0, position)


def line_of_byte(content: bytes, position: int) -> int:
    """Return the line of a place in a file, from 1."""
    ends = (content.count(end, 0, position) for end in (b"\r", b"\n"))
    return 1 + sum(ends) - content.count(b"\r\n", 0, position)
