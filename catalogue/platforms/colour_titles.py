"""Titles that name another colour than a variant has: `Red mug`, of which there is a blue one."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from catalogue.issues import Issue
from catalogue.mentions import colours_of, without_colours
from catalogue.platforms.fields import note
from catalogue.sheet import Row
from catalogue.titles import LONGEST_TITLE


def settle_colours(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Issue]]:
    """Leave a colour out of titles where it is another variant's, or part of the row's own.

    Returns:
        The rows, and what looks wrong: a title's colour that is no variant's.
    """
    of_product: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.group:
            of_product[row.group] |= colours_of(row.fields["color"])
    settled, strange = [], []
    for row in rows:
        own, said = colours_of(row.fields["color"]), colours_of(row.fields["title"])
        is_title = len(row.fields["title"]) <= LONGEST_TITLE
        if is_title and own and said and not said >= own:
            known = own | of_product.get(row.group, set())
            title = without_colours(row.fields["title"], said & known)
            if not said <= known:
                strange.append(row.line)
            elif title != row.fields["title"]:
                row = replace(row, fields={**row.fields, "title": title})  # noqa: PLW2901
        settled.append(row)
    return settled, note(
        strange,
        "The title names another colour than the row does: look at its prompt",
        "{number} rows name another colour than their titles do: look at their prompts",
    )
