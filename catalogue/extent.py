"""How large a sheet may be: counted while it is read, so that its memory ends where it does."""

import re

from catalogue.issues import refuse

MOST_CELLS = 5_000_000
"""Cells that say something, of all rows together: some 500 MB of Python's objects."""
_NESTED = 4
"""Cells that an object or a list of JSON counts for, by the memory that it takes."""
_WEIGHTS = {",": 1, "{": _NESTED, "[": _NESTED}
_JSON_PARTS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{\[,]', re.DOTALL)


class Room:
    """What there is room for in a sheet, row by row."""

    def __init__(self, *, max_rows: int | None = None, max_cells: int = MOST_CELLS) -> None:
        """Take the limits; without `max_rows` there may be any number of rows."""
        self._max_rows = max_rows
        self._max_cells = max_cells
        self._rows = 0
        self._cells = 0

    def take(self, cells: int, *, line: int) -> None:
        """Count a row with so many cells that say something.

        Raises:
            InvalidSheetError: It is one row, or some cells, too many.
        """
        self._rows += 1
        self._cells += cells
        if self._max_rows is not None and self._rows > self._max_rows:
            refuse(
                f"The sheet has more than {self._max_rows:,} rows, which is the most of one "
                f"sheet. Split it before line {line}.",
                line=line,
            )
        if self._cells > self._max_cells:
            refuse(
                f"The sheet has more than {self._max_cells:,} cells that are not empty, which is "
                f"the most of one sheet. Split it before line {line}, or remove the columns that "
                "no image needs.",
                line=line,
            )

    def check_json(self, text: str) -> None:
        """Look how many values JSON has before any of them is made.

        Raises:
            InvalidSheetError: There are too many.
        """
        # Commas and brackets inside of texts are counted too: enough for nearly every file.
        at_most = text.count(",") + _NESTED * (text.count("{") + text.count("["))
        if at_most <= self._max_cells:
            return
        weight = 0
        for part in _JSON_PARTS.finditer(text):
            weight += _WEIGHTS.get(text[part.start()], 0)
            if weight > self._max_cells:
                refuse(
                    f"The JSON has more than {self._max_cells:,} values, of which an object or a "
                    f"list counts for {_NESTED}; that is the most of one sheet. Split it."
                )
