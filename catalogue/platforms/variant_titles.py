"""Titles that say how another variant looks: `Red mug`, of which there is a blue one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from catalogue.issues import Issue
from catalogue.platforms.fields import LOOK, note
from catalogue.prompts.mentions import colours_of, mentions, without_colours, without_words
from catalogue.prompts.titles import LONGEST_TITLE
from catalogue.sheets.model import SheetRow


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
            looks = variants.get(row.group, {})
            kept, is_strange = _settle_colour(title, row.fields["color"], looks.get("color", set()))
            if is_strange:
                strange.append(row.line)
            kept = _settle_words(kept, row.fields, looks)
            if kept != title:
                row = replace(row, fields={**row.fields, "title": kept})  # noqa: PLW2901
        settled.append(row)
    return settled, note(
        strange,
        "The title names another colour than the row does: look at its prompt",
        "{number} rows name another colour than their titles do: look at their prompts",
    )


def _by_product(rows: Sequence[SheetRow]) -> Mapping[str, Mapping[str, Set[str]]]:
    """Return the values of each field that the variants of a product have."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        if row.group:
            for name in LOOK:
                if value := row.fields[name]:
                    found[row.group][name].add(value)
    return found


def _settle_colour(title: str, color: str, variants: Set[str]) -> tuple[str, bool]:
    """Return a title without the colours of other variants, and whether it names a strange one."""
    own, said = colours_of(color), colours_of(title)
    if not own or not said or said >= own:
        return title, False
    known = own.union(*map(colours_of, variants))
    return without_colours(title, said & known), not said <= known


def _settle_words(title: str, fields: Mapping[str, str], variants: Mapping[str, Set[str]]) -> str:
    """Return a title without another variant's material, pattern, …: `Oak table` of walnut."""
    for name in LOOK[1:]:
        own = fields[name]
        if not own or mentions(title, own):
            continue
        for other in sorted(variants.get(name, set()) - {own}):
            title = without_words(title, other)
    return title
