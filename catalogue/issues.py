"""What is wrong with a sheet: every place at once, each named by line and column."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

from core.errors import InvalidRequestError, InvalidSheetError

SHOWN = 1000
"""Most issues that are listed; the rest are counted."""


NO_LETTERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One thing that is wrong, or looks wrong, with a sheet."""

    line: int | None
    """Line of the file, from 1; None when it concerns the sheet as a whole."""
    column: str | None = None
    """Name of the column or field; None when it concerns the line as a whole."""
    message: str
    """A sentence for people."""

    def document(self, letters: Mapping[str, str] = NO_LETTERS) -> dict[str, Any]:
        """Return it as JSON, with its cell where the columns of a workbook have letters."""
        document: dict[str, Any] = {
            "line": self.line,
            "column": self.column,
            "message": self.message,
        }
        if self.line and self.column is not None and self.column in letters:
            document["cell"] = f"{letters[self.column]}{self.line}"
        return document


class Issues:
    """A list of issues that stops growing at a limit, and goes on counting."""

    def __init__(self, *, shown: int = SHOWN, letters: Mapping[str, str] = NO_LETTERS) -> None:
        """Begin without any.

        Args:
            shown: How many are kept.
            letters: Of a workbook's columns, by their names: B7 is where people look.
        """
        self.shown = shown
        self.letters = letters
        self.count = 0
        self._kept: list[Issue] = []

    def add(self, message: object, *, line: int | None = None, column: str | None = None) -> None:
        """Add an issue; a costly message becomes text only if it is kept."""
        self.count += 1
        if len(self._kept) < self.shown:
            self._kept.append(Issue(line=line, column=column, message=str(message)))

    def extend(self, others: "Issues | Iterable[Issue]") -> None:
        """Add another list's issues, with those that it has only counted, and its letters."""
        for issue in others:
            self.add(issue.message, line=issue.line, column=issue.column)
        if isinstance(others, Issues):
            self.count += others.left_out
            self.letters = self.letters or others.letters

    @property
    def left_out(self) -> int:
        """Return how many were counted and not kept."""
        return self.count - len(self._kept)

    def __iter__(self) -> Iterator[Issue]:
        return iter(self._kept)

    def __len__(self) -> int:
        return self.count

    def documents(self) -> Sequence[dict[str, Any]]:
        """Return them as JSON, in the order of the sheet, whenever they were found."""
        return [
            issue.document(self.letters)
            for issue in sorted(self, key=lambda issue: issue.line or 0)
        ]

    def raise_if_any(self) -> None:
        """Refuse the sheet when something is wrong with it.

        Raises:
            InvalidSheetError: with every kept issue in `errors`, and the number of the others in
                `errors_left_out`.
        """
        if not self.count:
            return
        things = "1 thing is" if self.count == 1 else f"{self.count:,} things are"
        raise InvalidSheetError(
            f"{things} wrong with the sheet; nothing of it was queued. "
            "Correct what `errors` names and send it again.",
            errors=self.documents(),
            errors_left_out=self.left_out,
        )

    def refuse_request(self) -> None:
        """Refuse a single request when something is wrong with it.

        Raises:
            InvalidRequestError: with every kept issue in `errors`.
        """
        if self.count:
            named = "; ".join(f"{issue.column}: {issue.message}" for issue in self)
            raise InvalidRequestError(
                f"The request is not valid: {named}", errors=list(self.documents())
            )


def refuse(message: str, *, line: int | None = None, column: str | None = None) -> NoReturn:
    """Refuse a sheet for one reason that makes looking further pointless.

    Raises:
        InvalidSheetError: always.
    """
    raise InvalidSheetError(
        message,
        errors=[Issue(line=line, column=column, message=message).document()],
        errors_left_out=0,
    )
