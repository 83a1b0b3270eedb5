"""The prompt of each row: its own, or its template's, the request's, or its source's."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from catalogue.checks import check_prompt
from catalogue.issues import Issues, refuse
from catalogue.mapping import is_given
from catalogue.platforms.fields import LOOK, WRITTEN_TITLE, look_of
from catalogue.prompts.expressions import TemplateProblemError
from catalogue.prompts.glossary import Glossary
from catalogue.prompts.templates import PromptTemplate, UnknownColumnError
from catalogue.prompts.titles import essential_first, has_words
from catalogue.prompts.tokens import TokenLimit, shorten
from catalogue.sheets.model import Sheet, SheetRow

MOST_TEMPLATES = 1000
"""Different templates of one sheet; compiling one takes a millisecond."""
MOST_SECONDS = 60.0
"""Computing time of all of a sheet's prompts; 100,000 ordinary ones take three."""

_NOTHING = (
    "The row has no prompt and no template, and the request has no template: give it one of them."
)
_NO_TITLE = (
    "The row has no title, of which its prompt would be made: fill it in, or give the row a "
    "prompt, or the request a template."
)


class TitleUse(NamedTuple):
    """What a prompt that has its row's title says of it."""

    written: str
    """As the sheet writes it, without markup."""
    used: str
    """What of it the prompt is made of."""


class Prompts:
    """Writes the prompts of one sheet."""

    def __init__(
        self,
        sheet: Sheet,
        *,
        template: str | None,
        issues: Issues,
        clean_titles: bool = True,
        glossary: Glossary | None = None,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """Set the request's template.

        Args:
            sheet: Whose prompts are to be written. Where its columns are fixed, a column that the
                request's template lacks is reported once, not for every row.
            template: The request's own, for rows that have neither prompt nor template; without
                it the source's.
            issues: Where everything that is wrong is noted.
            clean_titles: Whether titles of plain sheets are cleaned, as those of exports were.
            glossary: Replaces words of the prompts that templates make.
            clock: Seconds of computing.
        """
        self.columns = sheet.reading.columns
        self.fixed_columns = sheet.fixed_columns
        self.issues = issues
        self._blank = dict.fromkeys(sheet.columns, "") if sheet.fixed_columns else {}
        # A product need not have the options that another has.
        self._blank |= {name: "" for row in sheet.rows for name in row.options}
        self._compiled: dict[str, PromptTemplate | TemplateProblemError] = {}
        self._reported: set[str] = set()
        self._shared: PromptTemplate | None = None
        fallback = sheet.reading.template
        self._needs_title = not template and fallback is not None
        self._reported_for_all = "prompt" in missing_columns(self.columns, template or fallback)
        self.unnamed: list[int] = []
        """Lines of rows whose prompt is made of a title that names no product."""
        self.titles: dict[int, TitleUse] = {}
        """By line, of rows whose prompt has their title."""
        self.translated: set[int] = set()
        """Lines of rows of whose prompts the glossary replaced words."""
        self._clean_titles = clean_titles
        self._glossary = glossary or Glossary()
        self._clock = clock
        self._end = clock() + MOST_SECONDS
        if template or fallback:
            try:
                self._shared = PromptTemplate(template or fallback or "")
            except TemplateProblemError as error:
                issues.add(str(error), column="template")
                self._reported_for_all = True

    def write(self, row: SheetRow) -> str:
        """Return a row's prompt; the empty text when something is wrong with it, and noted.

        Raises:
            InvalidSheetError: The templates take too long.
        """
        cell = row.get(self.columns.get("prompt"))
        if is_given(cell):
            return self._checked(cell, row, "prompt")
        source = row.get(self.columns.get("template"))
        column = "template" if is_given(source) else None
        self._check_time(row)
        try:
            template = self._own(source) if column else self._shared
            if template is None:
                if not self._reported_for_all:
                    self._note(_NOTHING, row, "prompt")
                return ""
            values = self._shown(row, own=column is not None)
            if values is None:
                return ""
            return self._checked(self._render(template, values, row), row, column or "prompt")
        except UnknownColumnError as error:
            self._note_unknown(error, row, column)
        except TemplateProblemError as error:
            self._note(str(error), row, column or "prompt")
        return ""

    def shorten(self, row: SheetRow, tokens: TokenLimit) -> tuple[str, str] | None:
        """Write a prompt that is made of a title again, with as much of it as the model reads.

        Returns:
            The prompt, and what of the title is left out; None for other prompts, and where
            nothing fits.

        Raises:
            InvalidSheetError: The templates take too long.
        """
        named = (self.columns.get("prompt"), self.columns.get("template"))
        template = self._shared
        if (
            not self._needs_title
            or template is None
            or any(is_given(row.get(one)) for one in named)
        ):
            return None
        self._check_time(row)
        values = self._look(row)
        look = dict.fromkeys(LOOK, "")
        return shorten(
            lambda changes: self._glossary.apply(template.render({**values, **changes})),
            essential_first(values["title"], values["type"]),
            tokens,
            less=(
                {"type": ""},
                {**look, "type": "", "color": values["color"]},
                {**look, "type": ""},
            ),
        )

    def _shown(self, row: SheetRow, *, own: bool) -> Mapping[str, Any] | None:
        """Return what a row's own template sees, or the shared one; None: it needs a title."""
        if own or not self._needs_title:
            return self._values(row)
        values = self._look(row)
        return values if self._has_title(values, row) else None

    def _values(self, row: SheetRow) -> dict[str, Any]:
        return {**self._blank, **row.values()}

    def _look(self, row: SheetRow) -> dict[str, Any]:
        """Return what the source's own template sees."""
        values = self._values(row)
        if row.fields.get("title") and row.fields.keys() >= set(LOOK):
            return values
        look = look_of(row, self.columns)
        return values | (look if self._clean_titles else {**look, "title": look[WRITTEN_TITLE]})

    def _render(self, template: PromptTemplate, values: Mapping[str, Any], row: SheetRow) -> str:
        """Write a prompt with the glossary's words, and keep what of the title is in it."""
        if template.names("title") and (written := values.get(WRITTEN_TITLE)):
            self.titles[row.line] = TitleUse(written, values["title"])
        prompt = template.render(values)
        translated = self._glossary.apply(prompt)
        if translated != prompt:
            self.translated.add(row.line)
        return translated

    def _has_title(self, values: Mapping[str, Any], row: SheetRow) -> bool:
        if not values["title"]:
            self._note(_NO_TITLE, row, "title")
            return False
        if not has_words(values["title"]):
            self.unnamed.append(row.line)
        return True

    def _check_time(self, row: SheetRow) -> None:
        if self._clock() > self._end:
            refuse(
                f"The templates of this sheet took {MOST_SECONDS:g} seconds of computing until "
                f"line {row.line}, which is the most. Make them simpler, or split the sheet.",
                line=row.line,
                column="template",
            )

    def _checked(self, prompt: Any, row: SheetRow, column: str) -> str:
        if not isinstance(prompt, str):
            self._note(f"{prompt!r} is not a text.", row, column)
            return ""
        reason = check_prompt(prompt)
        if reason:
            self._note(reason, row, column)
            return ""
        return prompt.strip()

    def _own(self, source: Any) -> PromptTemplate:
        if not isinstance(source, str):
            raise TemplateProblemError(f"The template {source!r} is not text.")
        known = self._compiled.get(source)
        if known is None:
            known = self._compiled[source] = self._compile(source)
        if isinstance(known, TemplateProblemError):
            raise known
        return known

    def _compile(self, source: str) -> PromptTemplate | TemplateProblemError:
        if len(self._compiled) >= MOST_TEMPLATES:
            return TemplateProblemError(
                f"The sheet has more than {MOST_TEMPLATES:,} different templates. Write prompts "
                "instead, or templates that share more."
            )
        try:
            return PromptTemplate(source)
        except TemplateProblemError as error:
            return error

    def _note_unknown(self, error: UnknownColumnError, row: SheetRow, column: str | None) -> None:
        if column is not None or not self.fixed_columns:
            self._note(error, row, column or "template")
        elif error.name not in self._reported:
            self._reported.add(error.name)
            self.issues.add(error, column="template")

    def _note(self, message: object, row: SheetRow, column: str) -> None:
        self.issues.add(message, line=row.line, column=self.columns.get(column, column))


def cut_off_warning(cut: str, limit: int) -> str:
    """Report what of a prompt the model will not see."""
    shown = cut if len(cut) <= 80 else cut[:77] + "..."
    return f"The model reads {limit} tokens of the prompt; what follows is cut off: “{shown}”."


def shortened_title(cut: str, limit: int) -> str:
    """Report what of a title is not in its prompt."""
    shown = cut if len(cut) <= 80 else cut[:77] + "..."
    return f"The title was shortened to what the model reads ({limit} tokens), without “{shown}”."


def missing_columns(columns: Mapping[str, str], template: str | None) -> Sequence[str]:
    """Name what a sheet must have and has not."""
    missing = [] if "sku" in columns else ["sku"]
    if template or "prompt" in columns or "template" in columns:
        return missing
    return [*missing, "prompt"]
