"""What can go wrong on the caller's side."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from core.errors import PackshotError

SHOWN_CELLS = 20
"""Most bad cells of a sheet that are listed; the rest are counted."""


class UsageError(PackshotError):
    """Something that the command was given cannot be used."""

    code = "usage"


class UnreachableError(PackshotError):
    """The server does not answer."""

    code = "unreachable"
    retry_helps = True


class RefusedError(PackshotError):
    """The server answered with a problem (RFC 9457)."""

    code = "refused"

    busy: ClassVar[frozenset[int]] = frozenset({429, 502, 503, 504})
    """Statuses after which the same request may succeed."""

    def __init__(self, status: int, problem: Mapping[str, Any], *, who: str) -> None:
        sentence = str(problem.get("detail") or problem.get("title") or "no reason given")
        super().__init__(f"{who}: {sentence}{_cells(problem.get('errors') or ())}")
        self.answer = status
        """The HTTP status."""


class SheetRefusedError(PackshotError):
    """The server would not take the sheet."""

    code = "sheet_refused"

    def __init__(self, errors: Sequence[Mapping[str, Any]], left_out: int) -> None:
        number = len(errors) + left_out
        things = "1 thing is" if number == 1 else f"{number:,} things are"
        super().__init__(f"{things} wrong with the sheet; nothing was sent.{_cells(errors)}")


class ImagesFailedError(PackshotError):
    """Some images failed."""

    code = "images_failed"
    exit_code: ClassVar[int] = 3


def place_of(issue: Mapping[str, Any]) -> str:
    """Return where something is in a sheet: `B7` of a workbook, else `line 7`, or nothing."""
    line = f"line {issue['line']}" if issue.get("line") else ""
    return str(issue.get("cell") or line)


def _cells(errors: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for error in errors[:SHOWN_CELLS]:
        column = f"column {error['column']}" if error.get("column") else ""
        where = ", ".join(part for part in (place_of(error), column) if part)
        lines.append(f"\n  {where}: {error.get('message')}" if where else f"\n  {error['message']}")
    if len(errors) > SHOWN_CELLS:
        lines.append(f"\n  and {len(errors) - SHOWN_CELLS} more")
    return "".join(lines)
