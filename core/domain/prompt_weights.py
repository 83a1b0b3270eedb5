"""Weights of words in prompts: `(word:1.2)`, `((word))`, `[word]`, and brackets that are none.

What they mean is what Stable Diffusion web UI made usual, and diffusers' community pipeline `lpw`
reads: `docs/decisions/0075-prompt-weights.md`.
"""

import re
from typing import NamedTuple

ROUND, SQUARE = 1.1, 1 / 1.1
"""What a pair of brackets without a number multiplies the weight by."""

MOST = 10.0
"""No weight is farther from 0: what multiplies a text's states by more draws nothing."""

_PART = re.compile(
    r"\\(?P<escaped>[()\[\]\\])"
    r"|(?P<opening>[(\[])"
    r"|:\s*(?P<weight>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*\)"
    r"|(?P<closing>[)\]])"
    r"|(?P<text>[^\\()\[\]:]+|[\\:])"
)


class WeightedText(NamedTuple):
    """A part of a prompt."""

    text: str
    weight: float = 1.0
    """What the states of its tokens are multiplied by."""


def read_weights(prompt: str) -> list[WeightedText]:
    """Split a prompt into parts of one weight each, without the brackets that gave it.

    `(a)` multiplies the weight of what is in it by 1.1, `(a:1.5)` by 1.5, `[a]` divides it by 1.1;
    brackets within brackets multiply. A bracket that nothing closes reaches to the end; one that
    closes nothing is text, and so is one behind a backslash.

    Returns:
        One part or more; neighbours differ in weight.
    """
    parts: list[tuple[str, float]] = []
    open_at: dict[str, list[int]] = {"(": [], "[": []}

    def multiply(start: int, factor: float) -> None:
        parts[start:] = [(text, weight * factor) for text, weight in parts[start:]]

    for found in _PART.finditer(prompt):
        weight, closing = found["weight"], found["closing"]
        if found["opening"]:
            open_at[found["opening"]].append(len(parts))
        elif weight is not None and open_at["("]:
            multiply(open_at["("].pop(), float(weight))
        elif closing == ")" and open_at["("]:
            multiply(open_at["("].pop(), ROUND)
        elif closing == "]" and open_at["["]:
            multiply(open_at["["].pop(), SQUARE)
        else:
            parts.append((found["escaped"] or found[0], 1.0))
    for bracket, factor in (("(", ROUND), ("[", SQUARE)):
        for start in open_at[bracket]:
            multiply(start, factor)
    return _merged(parts)


def _merged(parts: list[tuple[str, float]]) -> list[WeightedText]:
    merged: list[WeightedText] = []
    for text, weight in parts:
        bounded = min(max(weight, -MOST), MOST)
        if merged and merged[-1].weight == bounded:
            merged[-1] = merged[-1]._replace(text=merged[-1].text + text)
        else:
            merged.append(WeightedText(text, bounded))
    return merged or [WeightedText("")]
