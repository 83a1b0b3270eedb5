"""How much of a prompt the model reads, and titles shortened to that."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer  # type: ignore[import-untyped]

from core.domain.prompt_weights import read_weights
from core.domain.texts import has_vectors, write_out
from core.errors import BundleError

_SPECIAL = 2
"""The start and end tokens, which count towards the model's limit."""

_AT_ONCE = 256
"""Prompts whose tokens are in memory at the same time."""


class TokenLimit:
    """Finds what of a prompt is cut off."""

    def __init__(self, folder: Path, *, max_tokens: int, weights: bool = False) -> None:
        """Load a tokenizer.

        Args:
            folder: The bundle's `tokenizer` folder, with a tokenizer.json.
            max_tokens: What the model reads, a start and an end token included.
            weights: Whether brackets weigh words, and are none themselves.

        Raises:
            BundleError: It cannot be read.
        """
        self.limit = max_tokens - _SPECIAL
        """Tokens of the prompt itself."""
        self._weights = weights
        path = folder / "tokenizer.json"
        try:
            # tokenizers raises bare Exceptions.
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:
            raise BundleError(
                f"{path} cannot be read ({error}). "
                "Build the bundle again: `packshot model build SOURCE`."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        known = self._tokenizer.get_added_tokens_decoder().values()
        self._added = frozenset(token.content for token in known)
        self._has_vectors = has_vectors(self._added)

    def count(self, prompt: str) -> int:
        """Return how many tokens a prompt has, without those of its start and end."""
        return sum(len(one.ids) for one in self._encode(self._written_out(self._parts(prompt))))

    def cut_off(self, prompts: Iterable[str]) -> Mapping[str, str]:
        """Find the prompts that are too long, and the part of each that the model never sees.

        Tokens of several vectors are written out in that part, as the model reads them.
        """
        long = [prompt for prompt in dict.fromkeys(prompts) if self._may_be_long(prompt)]
        # Some at a time: tokens take a hundred times the memory of their text.
        return {
            prompt: cut
            for first in range(0, len(long), _AT_ONCE)
            for prompt, cut in self._cut_off(long[first : first + _AT_ONCE]).items()
        }

    def _cut_off(self, long: Sequence[str]) -> Mapping[str, str]:
        parts = [self._parts(prompt) for prompt in long]
        texts = self._written_out([text for one in parts for text in one])
        pairs = zip(texts, self._encode(texts), strict=True)
        found = {}
        for prompt, own in zip(long, parts, strict=True):
            cut = self._behind_limit(list(islice(pairs, len(own))))
            if cut is not None:
                found[prompt] = cut
        return found

    def _behind_limit(self, parts: Sequence[tuple[str, Any]]) -> str | None:
        """Return what of a prompt, in parts with their tokens, is behind the limit; None: none."""
        room = self.limit
        for number, (text, encoding) in enumerate(parts):
            if len(encoding.ids) > room:
                rest = "".join(more for more, _ in parts[number + 1 :])
                return text[encoding.offsets[room][0] :] + rest
            room -= len(encoding.ids)
        return None

    def _parts(self, prompt: str) -> Sequence[str]:
        return [part.text for part in read_weights(prompt)] if self._weights else [prompt]

    def _may_be_long(self, prompt: str) -> bool:
        # A token has at least one ASCII character; of other characters one may have several
        # tokens. Most prompts need no tokenizer.
        return self._has_vectors or not prompt.isascii() or len(prompt) > self.limit

    def _written_out(self, prompts: Sequence[str]) -> Sequence[str]:
        if not self._has_vectors:
            return prompts
        return [
            write_out(prompt, encoding.tokens, self._added)
            for prompt, encoding in zip(prompts, self._encode(prompts), strict=True)
        ]

    def _encode(self, texts: Sequence[str]) -> list[Any]:
        encodings: list[Any] = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return encodings


_WORD = re.compile(r"\S+")
_FEWEST_WORDS = 3
"""Of a title that are kept before other words give way."""
_LOOSE_END = re.compile(
    r"(?<![\s,;:/|&+(–—-])[\s,;:/|&+(–—-]++(?:(?:and|with|for|of|in|the|a|und|mit|für|et|avec|pour|de|y|con|para|e|per"
    r"|en|met|voor|и|с|для)[\s,;:/|&+(–—-]*+)?$",
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
        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            fits = tokens.count(render(_beginning(title, places[middle]))) <= tokens.limit
            low, high = (middle + 1, high) if fits else (low, middle)
        if low and (part := _beginning(title, places[low - 1])):
            return part
    return None


def _beginning(title: str, end: int) -> str:
    return _LOOSE_END.sub("", title[:end])
