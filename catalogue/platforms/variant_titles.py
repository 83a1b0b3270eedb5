"""Titles that say how another variant looks: `Red mug`, of which there is a blue one."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from catalogue.issues import Issue
from catalogue.platforms.fields import LOOK, note
from catalogue.prompts.mentions import colours_of, mentions, without_colours, without_words
from catalogue.prompts.titles import LONGEST_TITLE
from catalogue.sheets.model import SheetRow

_WORD = re.compile(r"[^\W_]+")
_NONE: Mapping[str, "_Values"] = {}


@dataclass
class _Values:
    """What the variants of a product have in one field, to be found in their titles."""

    colours: set[str] = field(default_factory=set)
    phrases: dict[tuple[str, ...], set[str]] = field(default_factory=dict)
    """Values by their words."""
    lengths: set[int] = field(default_factory=set)
    """How many words values have."""

    def add(self, value: str) -> None:
        words = _words(value)
        if value not in self.phrases.setdefault(words, set()):
            self.phrases[words].add(value)
            self.lengths.add(len(words))
            self.colours |= colours_of(value)

    def said(self, title: str) -> Iterator[str]:
        """Yield the values whose words follow each other in a title."""
        words = _words(title)
        for length in self.lengths:
            for first in range(len(words) - length + 1):
                yield from self.phrases.get(words[first : first + length], ())


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(text))


def settle_titles(rows: Sequence[SheetRow]) -> tuple[Sequence[SheetRow], Sequence[Issue]]:
    """Leave out of titles what is another variant's look, and colours that are said twice.

    Returns:
        The rows, and what looks wrong: a title's colour that is no variant's.
    """
    variants = _by_product(rows)
    settled, strange = [], []
    for row in rows:
        title = row.fields["title"]
        if len(title) <= LONGEST_TITLE:
            looks = variants.get(row.group, _NONE)
            kept, is_strange = _settle_colour(title, row.fields["color"], looks.get("color"))
            if is_strange:
                strange.append(row.line)
            kept = _settle_words(kept, row.fields, looks)
            if kept != title:
                row = replace(row, fields={**row.fields, "title": kept})  # noqa: PLW2901
        settled.append(row)
    return settled, note(
        strange,
        "The title names a different colour than the row: check its prompt",
        "{number} rows name a different colour than their titles: check their prompts",
    )


def _by_product(rows: Iterable[SheetRow]) -> Mapping[str, Mapping[str, _Values]]:
    """Return the values of each field that the variants of a product have."""
    found: dict[str, dict[str, _Values]] = defaultdict(lambda: defaultdict(_Values))
    for row in rows:
        if row.group:
            for name in LOOK:
                if value := row.fields[name]:
                    found[row.group][name].add(value)
    return found


def _settle_colour(title: str, color: str, variants: _Values | None) -> tuple[str, bool]:
    """Return a title without the colours of other variants, and whether it names a strange one."""
    own, said = colours_of(color), colours_of(title)
    if not own or not said or said >= own:
        return title, False
    known: Set[str] = own | variants.colours if variants else own
    return without_colours(title, said & known), not said <= known


def _settle_words(title: str, fields: Mapping[str, str], variants: Mapping[str, _Values]) -> str:
    """Return a title without another variant's material, pattern, …: `Oak table` of walnut."""
    for name in LOOK[1:]:
        own = fields[name]
        if not own or name not in variants or mentions(title, own):
            continue
        for other in sorted(set(variants[name].said(title)) - {own}):
            title = without_words(title, other)
    return title
