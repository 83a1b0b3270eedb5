"""Values of attributes as words for a prompt: without placeholders, codes, prices and sizes."""

import re
from functools import lru_cache

from catalogue.prompts.attributes import (
    colour_of,
    folded,
    is_size,
    meaning_of,
    name_numbers,
    spelled_out,
)
from catalogue.prompts.markup import plain_name
from catalogue.prompts.vocabulary import AVAILABILITY, INSTRUCTIONS, NOTHING, NUMBERED

LONGEST_VALUE = 500
"""Characters that are looked at."""
MOST_LISTED = 2
"""Values that a product as a whole may list and have all of; of more one can choose one."""

_SYMBOLS = re.compile(
    "[\u00a9\u00ae\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2100-\u214f\u2190-\u2bff\ufe00-\ufe0f\ufeff\U0001f000-\U0001faff\U000e0000-\U000e007f]+"
)
_BRACKETS = re.compile(r"[(\[{【]([^()\[\]{}【】]*)[)\]}】]")
_SEPARATORS = re.compile(r"\s*[|;,]\s*|\s+/\s+|(?<=[^\W\d])/(?=[^\W\d])|\s+[-–—]\s+")
_CODE = re.compile(r"(?:#?\d[\d./-]*|(?![234]D)(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Z\d-]{2,})")
_COLOUR_SYSTEM = re.compile(
    r"\b(?:ral|pantone|pms|ncs)\b[\s:]*(?:[\w-]*\d[\w-]*(?:\s+[CU]\b)?)?", re.I
)
_LABEL = re.compile(r"\s*([^:]{1,30}):\s+(?=\S)")
_LATIN_LETTER = re.compile(r"[A-Za-z]")
_PERCENT = re.compile(r"\b\d{1,3}(?:[.,]\d+)?\s*%\s*")
_PRICE = re.compile(
    r"[+-]?\s*(?:[$€£¥]\s*\d[\d.,]*|\d[\d.,]*\s*(?:[$€£¥]|eur\b|usd\b|gbp\b))", re.I
)
_NUMBERED = re.compile(rf"(?:{'|'.join(NUMBERED)})\.?\s*[#:]?\s*(?:\d+|[a-z])", re.I)
_LETTER = re.compile(r"[^\W\d_]")


def clean(value: str, *, colour: bool = False) -> str:
    """Return what a value says of a look, in words; nothing for one that says nothing.

    `Black / M` is `Black`, `Red (sold out)` is `Red`, `BLK/WHT` is `black and white`, `#FF0000` is
    `red`; `N/A`, `Color 1`, `See product page` and `12` are nothing.

    Args:
        value: As the shop wrote it.
        colour: Whether numbers and abbreviations are those of colours.
    """
    return _clean(value[:LONGEST_VALUE], colour=colour) if value else ""


@lru_cache(maxsize=10_000)
def _clean(value: str, *, colour: bool) -> str:
    text = _SYMBOLS.sub(" ", plain_name(value)).replace("\\,", ",")
    if (label := _LABEL.match(text)) and meaning_of(label[1]):
        text = text[label.end() :]
    if folded(text) in NOTHING:
        return ""
    if colour:
        text = _COLOUR_SYSTEM.sub(" ", name_numbers(text))
    text = _BRACKETS.sub(_of_brackets, _PRICE.sub(" ", _PERCENT.sub("", text)))
    parts = [one for part in _SEPARATORS.split(text) if (one := _of_part(part, colour=colour))]
    # One colour in several languages is one: `Blue/Blau/Bleu`.
    once: dict[str, str] = {}
    for part in parts:
        once.setdefault(colour_of(part) or folded(part), part)
    return " and ".join(once.values())


def listed_values(value: str) -> list[str]:
    """Return the values that a product as a whole lists: `Red, Blue | Green`."""
    parts = re.split(r"\s*[|;]\s*|(?<!\\)\s*,\s*", value.replace("\\,", "\x00"))
    return [part.replace("\x00", ",").strip() for part in parts if part.strip()]


def _of_brackets(found: re.Match[str]) -> str:
    inside = folded(found[1])
    says = not (is_size(inside) or inside in NOTHING or _is_availability(inside))
    return f" {found[1]} " if says and _LETTER.search(inside) else " "


def _of_part(part: str, *, colour: bool) -> str:
    if _says_nothing(folded(part)):
        return ""
    # Codes stand before or behind the words: `01 Black`, `Noir 012`.
    words = [word for word in part.split() if not _CODE.fullmatch(word)]
    words = [word for at, word in enumerate(words) if not at or word != words[at - 1]]
    if colour:
        words = [spelled_out(word) for word in words]
    kept = " ".join(words).strip(" -–—:*.,/#&+")
    if not _LETTER.search(kept) or _LATIN_LETTER.fullmatch(kept) or folded(kept) in NOTHING:
        return ""
    return kept


def _says_nothing(text: str) -> bool:
    return (
        text in NOTHING
        or text.startswith(INSTRUCTIONS)
        or is_size(text)
        or _is_availability(text)
        or bool(_NUMBERED.fullmatch(text))
    )


def _is_availability(text: str) -> bool:
    return any(word in text for word in AVAILABILITY)
