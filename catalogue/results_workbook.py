"""results.xlsx: what results.csv says, as a workbook with small pictures in it.

Every text is written as a text, so no spreadsheet takes one for a formula, a link or a number, and
SKUs keep their zeros.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import IO

import xlsxwriter
from PIL import Image

from catalogue.results import OUTCOME, THUMBNAIL, ResultLine, cell_text

MOST_ROWS = 10_000
"""Rows of a workbook: it is made whole before any of it is sent."""
MOST_THUMBNAILS = 200
EDGE = 96
"""Pixels of a small picture's longer edge."""
_LONGEST = 32_767
"""Characters that Excel takes in a cell."""
_CUT = " … (cut off here: Excel takes no longer cell; results.csv has all of it)"
_WIDTH = 18
"""Of columns, in characters."""
_NUMBERS = ("variant", "seconds")
"""Columns that are numbers for spreadsheets; a seed has more digits than they keep."""


class ResultsWorkbook:
    """A workbook that is written row by row."""

    def __init__(self, target: IO[bytes], columns: Sequence[str], further: Sequence[str]) -> None:
        """Begin it with the names of columns.

        Args:
            target: Where it goes; seekable.
            columns: The sheet's own.
            further: Those of `ResultLine.further`.
        """
        # What is written goes to a file row by row; only the pictures stay in memory.
        self._workbook = xlsxwriter.Workbook(target, {"constant_memory": True})
        self._sheet = self._workbook.add_worksheet("Results")
        bold = self._workbook.add_format({"bold": True})
        self._columns = columns
        names = [*columns, *OUTCOME, *further, THUMBNAIL]
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(names) - 1, _WIDTH)
        for number, name in enumerate(names):
            self._sheet.write_string(0, number, _cut(name), bold)
        self._thumbnails = len(names) - 1
        self._row = 0

    def add(self, line: ResultLine, thumbnail: bytes | None = None) -> None:
        """Write the next row.

        Args:
            line: Of an image.
            thumbnail: It, small, as `thumbnail_of` makes it; None: the row has no picture.
        """
        self._row += 1
        if thumbnail is not None:
            self._sheet.set_row_pixels(self._row, EDGE + 4)
        own = [line.row.get(column) for column in self._columns]
        outcome = [getattr(line, name) for name in OUTCOME]
        for number, value in enumerate([*own, *outcome, *line.further]):
            is_number = number >= len(own) and (
                number - len(own) < len(OUTCOME) and OUTCOME[number - len(own)] in _NUMBERS
            )
            if is_number and value is not None:
                self._sheet.write_number(self._row, number, value)
            elif text := cell_text(value):
                self._sheet.write_string(self._row, number, _cut(text))
        if thumbnail is not None:
            place = {"image_data": BytesIO(thumbnail), "object_position": 1,
                     "x_offset": 2, "y_offset": 2}  # fmt: skip
            self._sheet.insert_image(self._row, self._thumbnails, f"{self._row}.jpg", place)

    def close(self) -> None:
        """Write all of it to its target."""
        self._workbook.close()


def thumbnail_of(image: Image.Image) -> bytes:
    """Make an image small, as a JPEG of some kilobytes.

    Args:
        image: Mode RGB.
    """
    small = image.copy()
    small.thumbnail((EDGE, EDGE))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _cut(text: str) -> str:
    # Excel counts UTF-16; a character may be two of it.
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * _LONGEST:
        return text
    return units[: 2 * (_LONGEST - len(_CUT))].decode("utf-16-le", "ignore") + _CUT
