"""One picture of a whole batch: every image with its SKU and its prompt."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from cli.collection import Collection, Entry

FILE_NAME = "contact-sheet.png"
MOST_IMAGES = 60
"""More do not fit on a screen and stay legible."""
SCREEN = (1880, 1000)
"""Pixels that a window on a 1920×1080 screen shows."""
IMAGE_SIZES = (256, 224, 192, 160, 144, 128, 112, 96)
"""Edges of an image in the grid; the largest with which the grid fits is taken."""

GAP = 14
TITLE_HEIGHT = 40
PROMPT_LINES = 3
PAPER, INK, FAINT, FRAME, ALARM = "#ffffff", "#1b1b1b", "#6a6a6a", "#d9d9d9", "#a32020"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the cells are, in pixels."""

    columns: int
    rows: int
    image: int
    """Edge of an image."""

    @property
    def line(self) -> int:
        """Height of a line of text."""
        return 15 if self.image < 160 else 18

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of a cell: the image, its SKU and its prompt."""
        return self.image + GAP, self.image + self.line * (1 + PROMPT_LINES) + GAP + 4

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        width, height = self.cell
        return self.columns * width + GAP, TITLE_HEIGHT + self.rows * height

    def corner(self, number: int) -> tuple[int, int]:
        """Return the upper left corner of a cell's image."""
        row, column = divmod(number, self.columns)
        width, height = self.cell
        return GAP + column * width, TITLE_HEIGHT + row * height


def arrange(count: int) -> Grid:
    """Find the grid with the largest images that fits a screen; the smallest if none does."""
    grid = Grid(columns=1, rows=count, image=IMAGE_SIZES[-1])
    for image in IMAGE_SIZES:
        most = (SCREEN[0] - GAP) // (image + GAP)
        rows = math.ceil(count / most)
        grid = Grid(columns=math.ceil(count / rows), rows=rows, image=image)
        if grid.size[1] <= SCREEN[1]:
            break
    return grid


def write_contact_sheet(collection: Collection, title: str) -> Path:
    """Draw the first images of a batch into one file.

    Returns:
        The file.
    """
    target = collection.folder / FILE_NAME
    entries = collection.entries[:MOST_IMAGES]
    total = len(collection.entries)
    shown = f"first {len(entries)} of {total:,} images" if total > len(entries) else _images(total)
    draw_contact_sheet(entries, f"{title} · {shown}").save(target)
    return target


def draw_contact_sheet(entries: Sequence[Entry], title: str) -> Image.Image:
    """Draw entries in a grid, in their order."""
    grid = arrange(max(1, len(entries)))
    sheet = Image.new("RGB", grid.size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 12), _readable(title), INK, font=_font(16))
    for number, entry in enumerate(entries):
        _draw_cell(sheet, draw, entry, grid.corner(number), grid)
    return sheet


def _draw_cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    entry: Entry,
    corner: tuple[int, int],
    grid: Grid,
) -> None:
    left, top = corner
    edge = grid.image
    item, small = entry.item, _font(grid.line - 4)
    if entry.file is not None:
        with Image.open(entry.file) as image:
            sheet.paste(_fitted(image.convert("RGB"), edge), corner)
    draw.rectangle((left, top, left + edge - 1, top + edge - 1), outline=FRAME)
    if entry.file is None:
        reason = _wrapped(f"{item.state}: {item.error or ''}", small, edge - 12, lines=6)
        draw.multiline_text((left + 6, top + 6), reason, ALARM, font=small)
    # Two variants differ in nothing else, so the variant must survive a long SKU.
    variant = f" · {item.variant}"
    sku = _cut(item.sku, _font(grid.line - 2), edge, reserve=variant)
    draw.text((left, top + edge + 4), f"{sku}{variant}", INK, font=_font(grid.line - 2))
    prompt = _wrapped(item.prompt, small, edge, lines=PROMPT_LINES)
    draw.multiline_text((left, top + edge + 4 + grid.line), prompt, FAINT, font=small, spacing=2)


def _fitted(image: Image.Image, edge: int) -> Image.Image:
    """Scale an image into a square, its proportions kept, on paper."""
    scale = edge / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Image.new("RGB", (edge, edge), PAPER)
    scaled = image.resize(size, Image.Resampling.LANCZOS)
    square.paste(scaled, ((edge - size[0]) // 2, (edge - size[1]) // 2))
    return square


def _wrapped(text: str, font: FreeTypeFont, width: int, *, lines: int) -> str:
    """Break text into lines that are no wider than `width`; the last one ends in … if need be."""
    words = _readable(text).split()
    wrapped: list[str] = []
    while words and len(wrapped) < lines:
        line = words.pop(0)
        while words and font.getlength(f"{line} {words[0]}") <= width:
            line = f"{line} {words.pop(0)}"
        wrapped.append(line)
    if words and wrapped:
        wrapped[-1] += " " + " ".join(words)
    return "\n".join(_cut(line, font, width) for line in wrapped)


def _cut(text: str, font: FreeTypeFont, width: int, *, reserve: str = "") -> str:
    """Shorten text so that it and `reserve` are no wider than `width`."""
    text = _readable(text)
    room = width - font.getlength(reserve)
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


@cache
def _font(size: int) -> FreeTypeFont:
    """Take a font that knows more than English if the system has one, else Pillow's own."""
    for name in ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return cast(FreeTypeFont, ImageFont.load_default(size))  # of the wheels; they have FreeType


def _readable(text: str) -> str:
    """Make one line of text, without what would be an empty box or stop Pillow."""
    text = "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
    if _font(16).getname()[0] != "Aileron":
        return text
    # Pillow's own font: ASCII and some signs.
    plain = unicodedata.normalize("NFKD", text.replace("·", "-").replace("…", "..."))
    return plain.encode("ascii", "ignore").decode()


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
