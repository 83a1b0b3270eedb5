"""Weights in prompts, by the examples that the web UI and diffusers' `lpw` pipelines document."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.prompt_weights import MOST, read_weights

DOCUMENTED = {
    "normal text": [("normal text", 1.0)],
    "an (important) word": [("an ", 1.0), ("important", 1.1), (" word", 1.0)],
    "(unbalanced": [("unbalanced", 1.1)],
    r"\(literal\]": [("(literal]", 1.0)],
    "(unnecessary)(parens)": [("unnecessaryparens", 1.1)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": [
        ("a ", 1.0),
        ("house", 1.573),
        (" ", 1.1),
        ("on", 1.0),
        (" a ", 1.1),
        ("hill", 0.55),
        (", sun, ", 1.1),
        ("sky", 1.4641),
        (".", 1.1),
    ],
}


@pytest.mark.parametrize("prompt", DOCUMENTED)
def test_documented_examples(prompt: str):
    read = read_weights(prompt)
    assert [text for text, _ in read] == [text for text, _ in DOCUMENTED[prompt]]
    assert [weight for _, weight in read] == pytest.approx([w for _, w in DOCUMENTED[prompt]])


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("", [("", 1.0)]),
        ("a mug [red]", [("a mug ", 1.0), ("red", 1 / 1.1)]),
        ("time 12:30) and ]", [("time 12:30) and ]", 1.0)]),
        ("(x: .5 ) (y:+2)", [("x", 0.5), (" ", 1.0), ("y", 2.0)]),
        ("(y:0) (z:-1)", [("y", 0.0), (" ", 1.0), ("z", -1.0)]),
        (r"C:\mugs \\(a)", [("C:\\mugs \\", 1.0), ("a", 1.1)]),
        ("(loud:1000)", [("loud", MOST)]),
        ("(ratio 1:2:3)", [("ratio 1:2", 3.0)]),
        ("(word:1.2.3)", [("word:1.2.3", 1.1)]),
    ],
)
def test_marks_that_are_none_are_text(prompt: str, read):
    found = read_weights(prompt)
    assert [text for text, _ in found] == [text for text, _ in read]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in read])


@given(st.text())
def test_any_text_has_parts_of_bounded_weights(prompt: str):
    read = read_weights(prompt)
    assert read
    assert all(-MOST <= weight <= MOST for _, weight in read)
    assert all(one.weight != other.weight for one, other in pairwise(read))


@given(st.text(alphabet="ab ()[]\\"))
def test_what_is_escaped_means_itself(text: str):
    escaped = "".join("\\" + one if one in "()[]\\" else one for one in text)
    assert read_weights(escaped) == [(text, 1.0)]
