"""One picture of an evaluation: each prompt with its image from one bundle or from two."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from cli.pictures.contact_sheet import FAINT, FRAME, GAP, INK, PAPER, TITLE_HEIGHT
from cli.pictures.lettering import cut, font, readable, wrapped
from modelkit.evaluation.comparison import Evaluated, Task
from modelkit.evaluation.similarity import Pixels

MOST_ROWS = 40
"""More are a strain; the images that differ most come first."""
BLOCK_ROWS = 20
"""Rows under each other; what is left stands beside them."""
LARGEST = 256
"""Edge in pixels to which images are reduced."""
TEXT_WIDTH, TEXT_HEIGHT = 190, 118
HEADER_HEIGHT = 24
AMPLIFICATION = 8
"""A difference of 16 of 255 levels is hard to see; eight times as much is not."""


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One line of the sheet."""

    prompt: str
    note: str
    images: list[Pixels]
    """One per column."""


@dataclass(frozen=True, kw_only=True)
class SheetLayout:
    """Where things are, in pixels."""

    cell: tuple[int, int]
    """Width and height of an image."""
    columns: int
    """Of images."""
    rows: int

    @classmethod
    def of(cls, rows: Sequence[ComparisonRow], columns: int) -> "SheetLayout":
        """Reduce large images; never enlarge."""
        height, width = rows[0].images[0].shape[:2]
        scale = min(1.0, LARGEST / max(height, width))
        cell = (round(width * scale), round(height * scale))
        return cls(cell=cell, columns=columns, rows=len(rows))

    @property
    def blocks(self) -> int:
        """Columns of rows."""
        return math.ceil(self.rows / BLOCK_ROWS)

    @property
    def pitch(self) -> int:
        """Return the distance from one row to the next: room for an image, and for its prompt."""
        return max(self.cell[1], TEXT_HEIGHT) + GAP

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height of the whole."""
        deep = min(self.rows, BLOCK_ROWS)
        return (
            GAP + self.blocks * (self.offset(self.columns + 1) + GAP),
            TITLE_HEIGHT + HEADER_HEIGHT + deep * self.pitch,
        )

    def offset(self, column: int) -> int:
        """Return the distance from the left of a row to a column; the prompt is column 0."""
        return TEXT_WIDTH + (column - 1) * (self.cell[0] + GAP) if column else 0

    def corner(self, row: int) -> tuple[int, int]:
        """Return the upper left corner of a row."""
        block, line = divmod(row, BLOCK_ROWS)
        left = GAP + block * (self.offset(self.columns + 1) + GAP)
        return left, TITLE_HEIGHT + HEADER_HEIGHT + line * self.pitch


def draw_comparison(judged: Evaluated, reference: Evaluated | None, task: Task) -> Image.Image:
    """Draw prompts and images side by side, with the amplified difference if there are two.

    Of two bundles' images the least alike come first, of one bundle's those with the least scores.
    """
    names = [judged.manifest.name]
    if reference is not None:
        names += [reference.manifest.name, f"difference × {AMPLIFICATION}"]
    order = _worst_first(judged, len(task.prompts))[:MOST_ROWS]
    rows = [_row(number, judged, reference, task) for number in order]
    title = f"{' against '.join(names[:2])} · {len(rows)} of {len(task.prompts)} images"
    return draw_rows(f"{title}, least alike first" if reference else title, names, rows)


def difference(one: Pixels, other: Pixels) -> Pixels:
    """Amplify what two images differ by: white where they are equal, darker where they are not."""
    distance = np.abs(one.astype(np.int16) - other.astype(np.int16)) * AMPLIFICATION
    return np.asarray(255 - np.minimum(distance, 255), np.uint8)


def _worst_first(judged: Evaluated, count: int) -> list[int]:
    scores = next((judged.each[name] for name in ("psnr", "clip_score") if name in judged.each), [])
    return sorted(range(count), key=lambda number: scores[number] if scores else 0.0)


def _row(number: int, judged: Evaluated, reference: Evaluated | None, task: Task) -> ComparisonRow:
    images = [judged.images[number]]
    if reference is not None:
        other = reference.images[number]
        images += [other, difference(images[0], other)]
    return ComparisonRow(
        prompt=task.prompts[number],
        note="\n".join([*_notes(judged, number), f"seed {task.seeds[number]}"]),
        images=images,
    )


def _notes(judged: Evaluated, number: int) -> list[str]:
    each = {name: values[number] for name, values in judged.each.items()}
    notes = [f"PSNR {each['psnr']:.1f} dB, SSIM {each['ssim']:.3f}"] if "psnr" in each else []
    notes += [f"CLIP {each['clip_score']:.3f}"] if "clip_score" in each else []
    wrong = each.get("attribute_accuracy") == 0.0
    return [*notes, "an attribute is wrong"] if wrong else notes


def draw_rows(title: str, names: Sequence[str], rows: Sequence[ComparisonRow]) -> Image.Image:
    """Draw prompts with their images under each other, a column for each name."""
    layout = SheetLayout.of(rows, columns=len(names))
    sheet = Image.new("RGB", layout.size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 12), readable(title), INK, font=font(16))
    for block in range(layout.blocks):
        left, top = layout.corner(block * BLOCK_ROWS)
        for column, name in enumerate(("prompt", *names)):
            room = layout.cell[0] if column else TEXT_WIDTH - GAP
            at = (left + layout.offset(column), top - HEADER_HEIGHT)
            draw.text(at, cut(name, font(13), room), INK, font=font(13))
    for number, row in enumerate(rows):
        _draw_row(sheet, draw, row, layout.corner(number), layout)
    return sheet


def _draw_row(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    row: ComparisonRow,
    corner: tuple[int, int],
    layout: SheetLayout,
) -> None:
    left, top = corner
    text = wrapped(row.prompt, font(13), TEXT_WIDTH - GAP, lines=4)
    draw.multiline_text((left, top), text, INK, font=font(13), spacing=2)
    below = top + 17 * (text.count("\n") + 1) + 4
    draw.multiline_text((left, below), row.note, FAINT, font=font(12), spacing=2)
    width, height = layout.cell
    for column, pixels in enumerate(row.images, start=1):
        at = left + layout.offset(column)
        image = Image.fromarray(pixels)
        if image.size != layout.cell:
            image = image.resize(layout.cell, Image.Resampling.LANCZOS)
        sheet.paste(image, (at, top))
        draw.rectangle((at, top, at + width - 1, top + height - 1), outline=FRAME)
