"""Google's product data as tab-separated text, with other images in it.

https://support.google.com/merchants/answer/6324350 and /6324370: image_link and
additional_image_link.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from catalogue.names import canonical
from catalogue.results import cell_text

IMAGE, FURTHER = "image_link", "additional_image_link"
MOST_FURTHER = 10
"""Further images that Google takes of a product."""


class FeedTable:
    """A feed's columns as they came, and lines with images of their own."""

    def __init__(self, columns: Sequence[str]) -> None:
        """Find the columns of the images; those that are not there are added.

        Args:
            columns: As the sheet writes them.
        """
        written = {canonical(one).removeprefix("g_"): one for one in reversed(columns)}
        self._image = written.get(IMAGE, IMAGE)
        self._further = written.get(FURTHER, FURTHER)
        added = [one for one in (self._image, self._further) if one not in columns]
        self.columns = [*columns, *added]

    def header(self) -> str:
        """Write the first line."""
        return _written([self.columns])

    def line(self, row: Mapping[str, Any], images: Sequence[str]) -> str:
        """Write a product's line: the new images first, then what it had beside its main one.

        Args:
            row: The sheet's cells.
            images: Addresses; with none the line stays as it was.
        """
        cells = dict(row)
        if images:
            before = [one.strip() for one in cell_text(row.get(self._further)).split(",")]
            further = dict.fromkeys([*images[1:], *filter(None, before)])
            cells[self._image] = images[0]
            cells[self._further] = ",".join(list(further)[:MOST_FURTHER])
        return _written([[cell_text(cells.get(one)) for one in self.columns]])


def _written(lines: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    # Nobody quotes in a way that all readers of tab-separated text know: a cell is one line.
    plain = ([" ".join(cell.split()) for cell in line] for line in lines)
    csv.writer(buffer, dialect="excel-tab", lineterminator="\n").writerows(plain)
    return buffer.getvalue()
