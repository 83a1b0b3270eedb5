"""Lines whose quotes do not fit together, taken for what they must mean."""

import re

TAB = "\t"
MOST_LOOKED_AT = 10**6
"""Characters of one line in which ends of quotes are looked for in vain."""
_INCHES = re.compile(r'"(?=\d[\d.,/]*")')


def split_loosely(line: str, separator: str) -> list[str] | None:
    """Split one line whose quotes do not fit together; None when a quote is never closed.

    A quote ends a cell only in front of a separator or at the line's end. In a cell without such a
    quote all are text, but for one in front of a number with its own: `"19" rack` is `19" rack`.
    With tabs, a quote that is never closed is text too. Of a line of thousands of such cells it is
    not found out where each ends.
    """
    mark = re.escape(separator)
    quoted = re.compile(
        rf'[^\S{mark}]*+"((?:[^"\\]|\\.|""|"(?![^\S{mark}]*+(?:{mark}|$)))*+)"[^\S{mark}]*+(?={mark}|$)'
    )
    opens = re.compile(rf'[^\S{mark}]*+"')
    cells: list[str] = []
    position, looked_at = 0, 0
    while position <= len(line):
        found = quoted.match(line, position)
        if not found and opens.match(line, position):
            # It was looked for an end in all that follows.
            looked_at += len(line) - position
            if looked_at > len(line) + MOST_LOOKED_AT:
                return None
        end = found.end() if found else line.find(separator, position) % (len(line) + 1)
        if found:
            cells.append(found[1].replace('\\"', '"').replace('""', '"'))
        else:
            cell = line[position:end].strip()
            if cell.startswith('"') and cell.count('"') == 1 and separator != TAB:
                return None
            cells.append(_INCHES.sub("", cell, count=1) if cell.startswith('"') else cell)
        position = end + 1
    return cells
