"""HTML to text: descriptions as shops keep them, in linear time."""

import re

from markupsafe import Markup

_SILENT = re.compile(r"<(/?)(script|style)\b[^<>]*>", re.IGNORECASE)
_BLOCK = re.compile(
    r"<(?=/?(?:address|article|br|dd|div|dl|dt|h[1-6]|hr|li|ol|p|section|table|td|th|tr|ul)\b)",
    re.IGNORECASE,
)
_ENDLESS_REFERENCE = re.compile(r"&#\d{8,};?")


def plain_text(html: str) -> str:
    """Drop tags, scripts and styles, unescape entities, and fold white space to blanks."""
    if "<" in html:
        # A paragraph or a line break parts words; <b> does not.
        html = _BLOCK.sub(" <", _without_scripts(html))
    if "&" in html:
        # Python refuses to read a number of thousands of digits; no character has one of eight.
        html = _ENDLESS_REFERENCE.sub("\ufffd", html)
    # Markup as an argument, never as an answer: what comes back is text.
    return " ".join(str(Markup(html).striptags()).split())  # noqa: S704


def plain_name(html: str) -> str:
    """Return a name, a title or a category as text: shops keep some escaped twice (`&amp;amp;`)."""
    return plain_text(plain_text(html)) if "&" in html or "<" in html else html


def _without_scripts(html: str) -> str:
    """Drop scripts and styles with what is in them; one that is never closed ends the text."""
    kept, position, inside = [], 0, ""
    for mark in _SILENT.finditer(html):
        closes, name = bool(mark[1]), mark[2].lower()
        if not inside and not closes:
            kept.append(html[position : mark.start()])
            inside = name
        elif inside == name and closes:
            position, inside = mark.end(), ""
    if not inside:
        kept.append(html[position:])
    return " ".join(kept)
