"""Whether a text says some words already: inflected, as part of another, or in another language."""

import re
import unicodedata
from functools import lru_cache

from catalogue.prompts.attributes import colour_of, folded

_WORD = re.compile(r"[^\W_]+")
_CONNECTIVES = frozenset({
    "and", "und", "et", "y", "e", "og", "och", "en", "ja", "i", "и", "ve", "with", "mit",
})  # fmt: skip
_PLURALS = (
    ("y", "ies"), ("f", "ves"), ("fe", "ves"), ("a", "e"), ("o", "i"), ("e", "i"), ("а", "и"),
    ("а", "ы"), ("я", "и"),
)  # fmt: skip
_LONGEST_KEPT = 300
_LONGEST_ALIKE = 20
"""Words of a phrase that is found inflected, too: each is compared with every word of a text."""
_LONGEST_WORD = 60
_SHORTEST_PART = 4
"""Letters of a word that is looked for inside of others: `Tassen` in `Kaffeetasse`."""


def mentions(text: str, words: str) -> bool:
    """Check whether a text has some words as whole ones.

    A word is also there in its plural (`Reading lamp`, `Lamps`), as the end of a longer one
    (`Kaffeetasse`, `Tassen`), and as a colour in whatever inflection and language (`Rote Tasse`,
    `red`). `Tank top` does not mention `tan`. Of more than 20 words each stands there as it is.
    """
    return _mentions(text, words)


# A template may ask the same of a long text many times.
@lru_cache(maxsize=256)
def _mentions(text: str, words: str) -> bool:
    there, wanted = _words_of(text), _words_of(words)
    width = len(wanted)
    if width > _LONGEST_ALIKE:
        return f" {' '.join(wanted)} " in f" {' '.join(there)} "
    if any(
        all(map(_are_same, there[at : at + width], wanted)) for at in range(len(there) - width + 1)
    ):
        return True
    telling = [word for word in wanted if word not in _CONNECTIVES]
    if telling and all(map(colour_of, telling)):
        return all(any(_are_same(one, word) for one in there) for word in telling)
    return width == 1 and any(_ends_in(one, wanted[0]) for one in there)


def colours_of(text: str) -> set[str]:
    """Return the colours that a text names, in English."""
    return {colour for word in _WORD.findall(folded(text)) if (colour := colour_of(word))}


def without_colours(text: str, colours: set[str]) -> str:
    """Leave the words of some colours out of a text; all of it when no word would be left."""
    return _mended(
        _WORD.sub(lambda word: "" if colour_of(word[0]) in colours else word[0], text), text
    )


def without_words(text: str, words: str) -> str:
    """Leave some words that follow each other out of a text, unless no other would be left."""
    wanted = r"[\W_]+".join(map(re.escape, _WORD.findall(words)))
    if not wanted:
        return text
    return _mended(re.sub(rf"(?<!\w){wanted}(?!\w)", "", text, flags=re.IGNORECASE), text)


def _mended(kept: str, text: str) -> str:
    """Take away what stood between or around words: `Blue/White vase`, `Mug - red`, `Mug (red)`."""
    kept = re.sub(r"\(\W*\)|\[\W*\]", " ", kept)
    kept = re.sub(r"^[\s/&,+|–—-]+|(?<![\s/&,+|–—-])[\s/&,+|–—-]++$", "", kept)
    kept = re.sub(r"\s+[/&,+|–—-]\s+(?=[/&,+|–—-]\s)", " ", kept)
    kept = " ".join(re.sub(r",\s*(?=,)", "", kept).split())
    return kept if _WORD.search(kept) else text


def _words_of(text: str) -> tuple[str, ...]:
    # A sheet's titles and values are looked at several times each, and long texts are not kept.
    return _short_words(text) if len(text) <= _LONGEST_KEPT else _split(text)


def _split(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(folded(text)))


_short_words = lru_cache(maxsize=10_000)(_split)


def _are_same(one: str, other: str) -> bool:
    if one == other:
        return True
    if len(one) > _LONGEST_WORD or len(other) > _LONGEST_WORD:
        return False
    return _are_alike(one, other)


@lru_cache(maxsize=20_000)
def _are_alike(one: str, other: str) -> bool:
    colour = colour_of(one)
    if colour and colour == colour_of(other):
        return True
    return _is_plural(*sorted((_plain(one), _plain(other)), key=len))


def _is_plural(short: str, long: str) -> bool:
    """Check whether one word is the other's plural, in the plainest forms of a few languages."""
    if len(short) < 3:
        return False
    endings = ("", "s", "es", "en", "n", "e", "er") if len(short) > 3 else ("", "s", "es")
    if any(long == short + ending for ending in endings):
        return True
    return len(short) > 3 and any(
        short.endswith(ending) and long == short[: -len(ending)] + plural
        for ending, plural in _PLURALS
    )


def _ends_in(text: str, word: str) -> bool:
    """Check whether a compound ends in a word: not in a colour's, which `marigold` is not."""
    if len(text) <= len(word) - 2 or len(text) > _LONGEST_WORD:
        return False
    return _is_compound(text, word)


@lru_cache(maxsize=20_000)
def _is_compound(text: str, word: str) -> bool:
    text, word = _plain(text), _plain(word)
    if colour_of(word):
        return False
    stems = [word, *(word.removesuffix(ending) for ending in ("s", "es", "n", "en", "e"))]
    return any(
        len(stem) >= _SHORTEST_PART and len(text) > len(stem) + 1 and text.endswith(stem)
        for stem in stems
    )


def _plain(word: str) -> str:
    """Return a word without accents, which plurals change: `Stuhl`, `Stühle`."""
    parts = unicodedata.normalize("NFD", word)
    return "".join(one for one in parts if not unicodedata.combining(one))
