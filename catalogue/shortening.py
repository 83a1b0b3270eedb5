"""Prompts made of titles that are longer than what the model reads: the title gives way.

Cut off where it stands, the prompt would lose its end, which says what is behind the product.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from catalogue.tokens import TokenLimit

_WORD = re.compile(r"\S+")
_FEWEST_WORDS = 3
"""Of a title that are kept before other words give way."""
_LOOSE_END = re.compile(
    r"[\s,;:/|&+(–—-]+(?:(?:and|with|for|of|in|the|a|und|mit|für|et|avec|pour|de|y|con|para|e|per"
    r"|en|met|voor|и|с|для)[\s,;:/|&+(–—-]*)?$|[\s,;:/|&+(–—-]+$",
    re.IGNORECASE,
)


def shorten(
    render: Callable[[Mapping[str, str]], str],
    title: str,
    tokens: TokenLimit,
    *,
    less: Sequence[Mapping[str, str]],
) -> tuple[str, str] | None:
    """Write a prompt with as much of a title as fits.

    Args:
        render: Writes the prompt with some fields changed.
        title: The whole.
        tokens: What the model reads.
        less: Fields that may be left out to keep a few words of the title, what says least first.

    Returns:
        The prompt, and what of the title is left out; None where nothing fits.
    """
    best = None
    words = min(_FEWEST_WORDS, len(_WORD.findall(title)))
    for changes in ({}, *less):
        kept = _longest(partial(_with_title, render, changes), title, tokens)
        if kept is None:
            continue
        best = best or (render({**changes, "title": kept}), title[len(kept) :].strip())
        if len(_WORD.findall(kept)) >= words:
            return render({**changes, "title": kept}), title[len(kept) :].strip()
    return best


def _with_title(
    render: Callable[[Mapping[str, str]], str], changes: Mapping[str, str], title: str
) -> str:
    return render({**changes, "title": title})


def _longest(render: Callable[[str], str], title: str, tokens: TokenLimit) -> str | None:
    """Return the longest beginning of a title whose prompt fits, whole words where one does."""
    ends = [word.end() for word in _WORD.finditer(title)]
    # Chinese, Japanese and Thai write no blanks.
    for places in (ends, range(1, len(title) + 1)):
        parts = [_LOOSE_END.sub("", title[:end]) for end in places]
        low, high = 0, len(parts)
        while low < high:
            middle = (low + high) // 2
            fits = tokens.count(render(parts[middle])) <= tokens.limit
            low, high = (middle + 1, high) if fits else (low, middle)
        if low and parts[low - 1]:
            return parts[low - 1]
    return None
