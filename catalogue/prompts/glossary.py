"""A tenant's glossary: their words, and the model's words for them."""

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from catalogue.checks import Reason, check_line
from catalogue.prompts.attributes import folded

MOST_WORDS = 2000
"""Entries of one glossary."""
LONGEST_ENTRY = 200
"""Characters of a word, and of what stands for it."""

# Scripts that write no blanks between words: every character can begin one.
_WORD = re.compile(
    "[\u0e00-\u0e7f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
    "|[^\\W_\u0e00-\u0e7f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)


class _Term(NamedTuple):
    words: int
    folded: str
    replacement: str


class Glossary:
    """Replaces whole words, in whatever case, the longest first; once, from left to right."""

    def __init__(self, entries: Mapping[str, str] | None = None) -> None:
        """Set the entries.

        Args:
            entries: What prompts say instead of each word or phrase; the empty text: nothing.
                `check_entries` finds none wrong with them.
        """
        self._beginning: dict[str, list[_Term]] = {}
        for phrase, replacement in (entries or {}).items():
            composed = unicodedata.normalize("NFC", phrase)
            words = list(_WORD.finditer(composed))
            whole = composed[words[0].start() : words[-1].end()]
            entry = _Term(len(words), folded(whole), replacement)
            self._beginning.setdefault(folded(words[0][0]), []).append(entry)
        for beginning in self._beginning.values():
            beginning.sort(key=lambda entry: (-entry.words, -len(entry.folded)))

    def __bool__(self) -> bool:
        return bool(self._beginning)

    def apply(self, text: str) -> str:
        """Return a text with the model's words; as it is where none of the glossary's is in it."""
        if not self._beginning:
            return text
        given, text = text, unicodedata.normalize("NFC", text)
        words = list(_WORD.finditer(text))
        pieces, end, at = [], 0, 0
        while at < len(words):
            entry = self._found(text, words, at)
            if entry is not None:
                pieces += [text[end : words[at].start()], entry.replacement]
                end = words[at + entry.words - 1].end()
            at += entry.words if entry else 1
        return " ".join("".join([*pieces, text[end:]]).split()) if pieces else given

    def _found(self, text: str, words: list[re.Match[str]], at: int) -> _Term | None:
        """Return the longest entry that begins at a word."""
        for entry in self._beginning.get(folded(words[at][0]), ()):
            last = at + entry.words - 1
            if last < len(words):
                there = text[words[at].start() : words[last].end()]
                if folded(there) == entry.folded:
                    return entry
        return None


def check_entries(entries: Mapping[str, str]) -> list[tuple[str, str]]:
    """Find what is wrong with a glossary: each bad word, and why it cannot be used."""
    if len(entries) > MOST_WORDS:
        return [("", f"The glossary has {len(entries):,} words; the limit is {MOST_WORDS:,}.")]
    seen: dict[str, str] = {}
    wrong = []
    for phrase, replacement in entries.items():
        reason = _check_entry(phrase, replacement)
        key = folded(phrase)
        if reason is None and key in seen:
            reason = f"It is there twice, as {seen[key]!r} too: keep one of them."
        seen[key] = phrase
        if reason:
            wrong.append((phrase, reason))
    return wrong


def _check_entry(phrase: str, replacement: str) -> Reason:
    if not _WORD.search(phrase):
        return "It is no word: write one of the words that your titles have."
    for text in (phrase, replacement):
        if len(text) > LONGEST_ENTRY:
            return f"It has {len(text):,} characters; the limit is {LONGEST_ENTRY}. Shorten it."
        if reason := check_line(text):
            return reason
    return None
