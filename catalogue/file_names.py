"""File names of images: safe on every system, each only once in its batch.

Without a template they are `<SKU>_<variant>.<extension>`.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import count

LONGEST = 120
"""Bytes of a SKU that a file name keeps; file systems allow 255 in all."""

_UNSAFE = re.compile(r"[^\w.-]+")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[\d¹²³])(\..*)?", re.IGNORECASE)
"""What Windows takes for a device, whatever follows the first dot (Microsoft: "Naming Files")."""


def safe(text: str) -> str:
    """Turn a SKU into a part of a file name; the result may be empty.

    Letters of every script, digits, `_`, `-` and `.` stay; a run of anything else becomes `-`.
    """
    return _unreserved(_bounded(text))


def plain(text: str) -> str:
    """Turn a text into what Amazon takes: ASCII letters, digits, `_` and `.`.

    The result may be empty. It begins with `_` only where Windows could not keep it otherwise.
    """
    return _unreserved(_NOT_PLAIN.sub("_", _bounded(text)).strip("_."))


def _bounded(text: str) -> str:
    name = _UNSAFE.sub("-", unicodedata.normalize("NFC", text)).strip("-.")
    return name.encode()[:LONGEST].decode(errors="ignore")


def _unreserved(name: str) -> str:
    """Keep a name from being a device's; the last step, because any other may undo it."""
    return f"_{name}" if _RESERVED.fullmatch(name) else name


class Names:
    """The names of one batch, without their extensions, given out in the order of its sheet.

    The first image of a name gets it as it is. Later ones, of a product that stands in the sheet
    twice for example, add their line. So the same sheet has the same names each time.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, *, sku: str, variant: int, line: int | None) -> str:
        """Give a name that no other image of the batch has."""
        for name in _candidates(sku, variant, line or 0):
            # Windows and macOS take names that differ only in case for the same.
            if name.casefold() not in self._taken:
                break
        self._taken.add(name.casefold())
        return name


def _candidates(sku: str, variant: int, line: int) -> Iterator[str]:
    stem = f"{safe(sku) or (f'line{line}' if line else 'image')}_{variant}"
    yield stem
    yield f"{stem}_line{line}"
    yield from (f"{stem}_line{line}_{number}" for number in count(2))
