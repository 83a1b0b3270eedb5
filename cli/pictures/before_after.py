"""One picture of what became of photographs: each, and beside it the images made of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from cli.pictures.lettering import cut, font, readable, wrapped
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.opening import open_rgb
from core.pictures.provenance import COMPOSITE, ENHANCED

FILE_NAME = "before-after.png"
MOST_PRODUCTS = 60
SCREEN = (1880, 1000)
"""Pixels that a window on a 1920×1080 screen shows."""
EDGES = (256, 224, 192, 160, 144, 128, 112, 96)
"""Of an image; the largest with which all fits is taken."""
GAP, BETWEEN = 18, 4
"""Pixels between two products, and between the images of one."""
TITLE, HEADING, LINE = 40, 20, 18
PAPER, INK, FAINT, FRAME, ALARM = "#ffffff", "#1b1b1b", "#6a6a6a", "#e4e4e4", "#a32020"


@dataclass(frozen=True, kw_only=True)
class ProductStages:
    """A product's files, in the order of the sheet's headings."""

    sku: str
    text: str
    """What stands below, beside the SKU."""
    files: Sequence[Path | None]
    """None: there is none."""
    reason: str = ""
    """Why one is missing."""


@dataclass(frozen=True, kw_only=True)
class _Grid:
    stages: int
    columns: int
    rows: int
    edge: int

    @property
    def cell(self) -> tuple[int, int]:
        """Return width and height of a product."""
        width = self.stages * self.edge + (self.stages - 1) * BETWEEN
        return width + GAP, self.edge + LINE + GAP

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height of the whole."""
        width, height = self.cell
        return self.columns * width + GAP, TITLE + HEADING + self.rows * height

    def corner(self, number: int) -> tuple[int, int]:
        """Return the upper left corner of a product's first image."""
        row, column = divmod(number, self.columns)
        width, height = self.cell
        return GAP + column * width, TITLE + HEADING + row * height


def _arrange(count: int, stages: int) -> _Grid:
    """Find the grid with the largest images that fits a screen; the smallest if none does."""
    grid = _Grid(stages=stages, columns=1, rows=count, edge=EDGES[-1])
    for edge in EDGES:
        wide = stages * edge + (stages - 1) * BETWEEN + GAP
        most = max(1, (SCREEN[0] - GAP) // wide)
        rows = math.ceil(count / most)
        grid = _Grid(stages=stages, columns=math.ceil(count / rows), rows=rows, edge=edge)
        if grid.size[1] <= SCREEN[1]:
            break
    return grid


def draw_before_after(
    products: Sequence[ProductStages], headings: Sequence[str], title: str
) -> Image.Image:
    """Draw products in a grid, in their order: of each its files side by side.

    Args:
        products: At least one; those beyond `MOST_PRODUCTS` are left out.
        headings: What each file of a product is, as in photograph, white, scene.
        title: What stands above all.

    Returns:
        Mode RGB.

    Raises:
        ValueError: A product has another number of files than there are headings.
        InvalidImageError: A file is no image that can be read.
    """
    shown = products[:MOST_PRODUCTS]
    if not shown or any(len(one.files) != len(headings) for one in shown):
        raise ValueError("Every product needs a file, or None, for each heading.")
    grid = _arrange(len(shown), len(headings))
    sheet = Image.new("RGB", grid.size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 10), readable(title), INK, font=font(17))
    for column in range(grid.columns):
        left, top = grid.corner(column)
        for number, heading in enumerate(headings):
            place = (left + number * (grid.edge + BETWEEN), top - HEADING)
            draw.text(place, cut(heading, font(12), grid.edge), FAINT, font=font(12))
    for number, product in enumerate(shown):
        _draw_product(sheet, draw, product, grid, grid.corner(number))
    return sheet


def write_before_after(
    target: Path, products: Sequence[ProductStages], headings: Sequence[str], title: str
) -> None:
    """Draw products into a PNG file, marked by what is on it.

    Args:
        target: The file.
        products: See `draw_before_after`.
        headings: The same; with `scene` among them, models had a part in it.
        title: The same.
    """
    mark = COMPOSITE if "scene" in headings else ENHANCED
    sheet = draw_before_after(products, headings, title)
    target.write_bytes(encode(sheet, Format.PNG, source_type=mark))


def _draw_product(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    product: ProductStages,
    grid: _Grid,
    corner: tuple[int, int],
) -> None:
    left, top = corner
    edge = grid.edge
    for number, file in enumerate(product.files):
        x = left + number * (edge + BETWEEN)
        if file is not None:
            _paste(sheet, open_rgb(file), (x, top), edge)
        draw.rectangle((x, top, x + edge - 1, top + edge - 1), outline=FRAME)
        if file is None:
            small = font(12)
            reason = wrapped(product.reason or "not made", small, edge - 12, lines=5)
            draw.multiline_text((x + 6, top + 6), reason, ALARM, font=small)
    width = grid.cell[0] - GAP
    sku = cut(product.sku, font(13), width)
    below = top + edge + 2
    draw.text((left, below), sku, INK, font=font(13))
    taken = font(13).getlength(f"{sku}  ")
    rest = cut(product.text, font(12), max(0, round(width - taken)))
    draw.text((left + taken, below + 1), rest, FAINT, font=font(12))


def _paste(sheet: Image.Image, image: Image.Image, corner: tuple[int, int], edge: int) -> None:
    """Fit an image into its square, its proportions kept."""
    scale = edge / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    scaled = image.resize(size, Image.Resampling.LANCZOS)
    sheet.paste(scaled, (corner[0] + (edge - size[0]) // 2, corner[1] + (edge - size[1]) // 2))
