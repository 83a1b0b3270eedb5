"""Names of photographs' files as they come from forms, addresses and folders: kept for people."""

import unicodedata

LONGEST_NAME = 200
"""Characters, the last ones of a longer name."""

_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of characters, and ends of lines and paragraphs."""
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What lets a name be read in another order than it is written (Unicode, UAX #9)."""


def clean_file_name(name: str) -> str:
    """Return a file's name without its folders; empty where it is no line of text."""
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    if any(unicodedata.category(one) in _NO_TEXT or one in _TURNING for one in last):
        return ""
    return last[-LONGEST_NAME:]
