"""One picture of a whole batch: every image with its SKU and its prompt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from cli.client.collection import Collection, Entry
from cli.pictures.lettering import cut, font, readable, wrapped
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.opening import open_rgb

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
        """Return width and height of a cell: the image, its SKU and its prompt."""
        return self.image + GAP, self.image + self.line * (1 + PROMPT_LINES) + GAP + 4

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height of the whole."""
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
    target.write_bytes(encode(draw_contact_sheet(entries, f"{title} · {shown}"), Format.PNG))
    return target


def draw_contact_sheet(entries: Sequence[Entry], title: str) -> Image.Image:
    """Draw entries in a grid, in their order."""
    grid = arrange(max(1, len(entries)))
    sheet = Image.new("RGB", grid.size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 12), readable(title), INK, font=font(16))
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
    item, small = entry.item, font(grid.line - 4)
    if entry.file is not None:
        sheet.paste(_fitted(open_rgb(entry.file), edge), corner)
    draw.rectangle((left, top, left + edge - 1, top + edge - 1), outline=FRAME)
    if entry.file is None:
        reason = wrapped(f"{item.state}: {item.error or ''}", small, edge - 12, lines=6)
        draw.multiline_text((left + 6, top + 6), reason, ALARM, font=small)
    # Two variants differ in nothing else, so the variant must survive a long SKU.
    variant = f" · {item.variant}"
    sku = cut(item.sku, font(grid.line - 2), edge, reserve=variant)
    draw.text((left, top + edge + 4), f"{sku}{variant}", INK, font=font(grid.line - 2))
    prompt = wrapped(item.prompt, small, edge, lines=PROMPT_LINES)
    draw.multiline_text((left, top + edge + 4 + grid.line), prompt, FAINT, font=small, spacing=2)


def _fitted(image: Image.Image, edge: int) -> Image.Image:
    """Scale an image into a square, its proportions kept, on paper."""
    scale = edge / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Image.new("RGB", (edge, edge), PAPER)
    scaled = image.resize(size, Image.Resampling.LANCZOS)
    square.paste(scaled, ((edge - size[0]) // 2, (edge - size[1]) // 2))
    return square


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
