"""What a shop's option or attribute is, by its name, and colours by their words and numbers.

Names are shops' own: `Colour Name`, `Color / Couleur`, `Farben`, `Clor`.
"""

import difflib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from catalogue.prompts.vocabulary import (
    ABBREVIATIONS,
    ABOUT_LIGHT,
    COLOR,
    COLOR_WORDS,
    COLOUR_ENDINGS,
    COLOUR_FORMS,
    ENDINGS,
    MEASURES,
    OTHER_WORDS,
    SHADES,
    SIZE,
)

APPEARANCE = (
    "color", "finish", "pattern", "design", "material", "shape", "style", "flavor", "size"
)  # fmt: skip
"""Fields in which variants of a product differ; of a size nothing is seen."""

_WORD = re.compile(r"[^\W\d_]+")
_MEANINGS: dict[str, str] = (
    dict.fromkeys(COLOR_WORDS, COLOR)
    | dict.fromkeys(MEASURES, SIZE)
    | {word: meaning for meaning, words in OTHER_WORDS.items() for word in words}
)
_LONGEST_NAME = 200
_LONGEST_SIZE = 40
"""Characters; what is longer is looked at no further, however it is made."""
_ALIKE = 0.8
"""How near to a word for colour a misspelt one is: `Clor`, `Coluor`, not `Collar`."""
_MISSPELT = ("color", "colour", "couleur", "farbe")
_PARTS = re.compile(r"\s*[/|,]\s*|\s+[-–]\s+")
_SIZE_VALUE = re.compile(
    r"(?:(?:x{0,4}|\d{1,2}x)[sml]|[sml]\s*[/-]\s*[sml]|x{1,4}[sl]|one size|onesize|os|einheitsgröße"
    r"|taille unique|small|medium|large|extra (?:small|large)|klein|mittel|groß|petit|moyen|grand"
    r"|(?:eu|us|uk|it|fr|de|gr\.?|size|größe|taille)?\s*\d+(?:[.,/]\d+)?(?:\s*[-x×/]\s*\d+(?:[.,]\d+)?)*"
    r"\s*(?:\"|''|%|eu|us|uk|[a-zµ]{1,3}[²³]?|inch(?:es)?|pcs|pack|stück|pieces?|liters?|litres?"
    r"|years?|months?|jahre|monate)?)",
    re.IGNORECASE,
)


def meaning_of(name: str) -> str | None:
    """Return the field that an option or attribute is, by its name; None: it is not known.

    A word for colour anywhere in the name makes it a colour (`Frame color`, `Color / Couleur`), one
    for a size a size; otherwise the last known word counts (`Print material`: `material`).
    """
    return _meaning_of(name) if len(name) <= _LONGEST_NAME else None


@lru_cache(maxsize=10_000)
def _meaning_of(name: str) -> str | None:
    text = folded(name)
    if text in _MEANINGS:
        return _MEANINGS[text]
    words = _WORD.findall(text)
    if any(word in ABOUT_LIGHT for word in words):
        return None
    found = [meaning for word in words if (meaning := _of_word(word))]
    for meaning in (COLOR, SIZE):
        if meaning in found:
            return meaning
    if found:
        return found[-1]
    return COLOR if len(words) == 1 and _is_misspelt(words[0]) else None


def is_size(value: str) -> bool:
    """Check whether a value is a size, whatever its attribute is called: `M`, `38`, `500 ml`."""
    return len(value) <= _LONGEST_SIZE and bool(_SIZE_VALUE.fullmatch(value.strip()))


def are_sizes(name: str, values: Sequence[str]) -> bool:
    """Check whether products that differ in these values look alike, as far as a picture shows."""
    meaning = meaning_of(name)
    if meaning == SIZE and not any(word in MEASURES for word in _WORD.findall(folded(name))):
        return True
    numbers = meaning == SIZE and all(any(one.isdigit() for one in value) for value in values)
    return numbers or (meaning in (None, SIZE) and all(map(is_size, values)))


def without_sizes(value: str) -> str:
    """Return a value without the sizes that some shops put beside it: `Red / M` is `Red`."""
    parts = _PARTS.split(value)
    return " / ".join(part for part in parts if not is_size(part)) or value


def folded(value: Any) -> str:
    """Fold a name or value to compare it: letters in one form and case, single blanks."""
    text = str(value)
    text = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(text.split()).strip(" :*")


def _of_word(word: str) -> str | None:
    if word in _MEANINGS:
        return _MEANINGS[word]
    ending = next((one for one in ENDINGS if word.endswith(one)), None)
    return _MEANINGS.get(ending) if ending else None


def _is_misspelt(word: str) -> bool:
    return 4 <= len(word) <= 10 and bool(
        difflib.get_close_matches(word, _MISSPELT, n=1, cutoff=_ALIKE)
    )


_HEX = re.compile(
    r"#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})\b|\b((?=[a-f]*\d)[0-9a-f]{6}|f{6})\b", re.I
)
_RGB = re.compile(
    r"rgba?\(\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*[, ]\s*(\d{1,3})(?:\s*[,/ ]\s*[\d.]+%?)?\s*\)", re.I
)
_CONCEPTS = {
    folded(written): concept
    for concept, words in COLOUR_FORMS.items()
    for word in words
    for written in (
        [word[:-1] + ending for ending in COLOUR_ENDINGS] if word[-1] == "*" else [word]
    )
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
