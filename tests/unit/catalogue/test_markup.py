"""HTML to text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.prompts.markup import plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>two</p>", "One two"),
        ("a <b>red</b> mug.", "a red mug."),
        ("a<br/>b<BR>c", "a b c"),
        ("M&amp;M &eacute;t&#233; &nbsp; x", "M&M été x"),
        ("<script>alert(1)</script>mug<style>p{}</style>", "mug"),
        ("<SCRIPT src='x'>if (a<b) </b> c</script >mug", "mug"),
        ("mug<script>never closed", "mug"),
        ("<style><script></style>mug</script>", "mug"),
        ("<!-- <b>no</b> -->mug", "mug"),
        ("5 < 6 inches", "5 < 6 inches"),
        ("&lt;b&gt;", "<b>"),
        ("&#" + "9" * 5000 + ";", "\ufffd"),
        ("  a\r\n\tb ", "a b"),
        ("", ""),
    ],
)
def test_what_html_becomes(html, text):
    assert plain_text(html) == text


@settings(max_examples=60)
@given(st.text("<>/!-&#;scriptylebr x'\"", max_size=80))
def test_any_text_becomes_one_line_without_scripts(html):
    text = plain_text(html)
    assert "\n" not in text
    assert text == text.strip()


def test_marks_that_are_never_closed_take_no_longer_than_others():
    # Each of these was quadratic with an ordinary pattern: they would not end here.
    for piece in ("<script", "<script>", "<", "&#", "<!--", "</style>", "<p "):
        assert len(plain_text(piece * 20_000)) <= 20_000 * len(piece)
