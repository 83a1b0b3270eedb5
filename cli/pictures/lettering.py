"""Text in pictures: whatever people write, in the room that there is."""

import unicodedata
from functools import cache
from typing import cast

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont


def wrapped(text: str, face: FreeTypeFont, width: int, *, lines: int) -> str:
    """Break text into lines that are no wider than `width`; the last one ends in … if need be."""
    words = readable(text).split()
    rows: list[str] = []
    while words and len(rows) < lines:
        line = words.pop(0)
        while words and face.getlength(f"{line} {words[0]}") <= width:
            line = f"{line} {words.pop(0)}"
        rows.append(line)
    if words and rows:
        rows[-1] += " " + " ".join(words)
    return "\n".join(cut(line, face, width) for line in rows)


def cut(text: str, face: FreeTypeFont, width: int, *, reserve: str = "") -> str:
    """Shorten text so that it and `reserve` are no wider than `width`."""
    text = readable(text)
    room = width - face.getlength(reserve)
    if face.getlength(text) <= room:
        return text
    while text and face.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


@cache
def font(size: int) -> FreeTypeFont:
    """Load a font that knows more than English if the system has one, else Pillow's own."""
    for name in ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return cast(FreeTypeFont, ImageFont.load_default(size))  # of the wheels; they have FreeType


def readable(text: str) -> str:
    """Make one line of text, without what would be an empty box or stop Pillow."""
    text = "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
    if font(16).getname()[0] != "Aileron":
        return text
    # Pillow's own font: ASCII and some signs.
    plain = unicodedata.normalize("NFKD", text.replace("·", "-").replace("…", "..."))
    return plain.encode("ascii", "ignore").decode()
