"""Colours as shops write them: their words in any language, and the names of numbers."""

import re

from catalogue.attributes import folded
from catalogue.vocabulary.colours import ABBREVIATIONS, ENDINGS, SHADES, WORDS

_HEX = re.compile(
    r"#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})\b|\b((?=[a-f]*\d)[0-9a-f]{6}|f{6})\b", re.I
)
_RGB = re.compile(
    r"rgba?\(\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*[, ]\s*(\d{1,3})(?:\s*[,/ ]\s*[\d.]+%?)?\s*\)", re.I
)
_CONCEPTS = {
    folded(written): concept
    for concept, words in WORDS.items()
    for word in words
    for written in ([word[:-1] + ending for ending in ENDINGS] if word[-1] == "*" else [word])
}


def colour_of(word: str) -> str | None:
    """Return the English colour that a word is, in whatever language: `rote` is `red`."""
    return _CONCEPTS.get(folded(word))


def spelled_out(word: str) -> str:
    """Return a colour's word for an abbreviation such as `BLK`, else the word as it is."""
    return ABBREVIATIONS.get(folded(word), word)


def name_numbers(text: str) -> str:
    """Put names in place of colours that are written as numbers: `#FF0000`, `rgb(0, 0, 0)`."""
    text = _RGB.sub(lambda found: _nearest(*map(int, found.groups())), text)
    return _HEX.sub(lambda found: _of_hex(found[1] or found[2]), text)


def _of_hex(digits: str) -> str:
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    red, green, blue = (int(digits[at : at + 2], 16) for at in (0, 2, 4))
    return _nearest(red, green, blue)


def _nearest(red: int, green: int, blue: int) -> str:
    """Return the nearest name by the "redmean" distance, which weighs channels as eyes do."""

    def distance(shade: tuple[int, int, int]) -> float:
        mean = (red + shade[0]) / 2
        parts = zip((red, green, blue), shade, (2 + mean / 256, 4, 3 - mean / 256), strict=True)
        return sum(weight * (one - other) ** 2 for one, other, weight in parts)

    return min(SHADES, key=lambda name: distance(SHADES[name]))
