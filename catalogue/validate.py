"""From a sheet to the images that it asks for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from catalogue.alt_texts import alt_text_of, columns_of_look
from catalogue.checks import RequestLimits, beyond_tested, check_value, is_beyond_tested
from catalogue.issues import Issues, refuse
from catalogue.mapping import PARAMETERS
from catalogue.models import Model
from catalogue.names import canonical, closest, suggestion
from catalogue.photographs import note_photographs
from catalogue.platforms.fields import LOOK, note
from catalogue.prompts.fit import fit_prompts
from catalogue.prompts.glossary import Glossary
from catalogue.prompts.languages import LANGUAGES, foreign_language
from catalogue.prompts.writer import Prompts, TitleUse, missing_columns
from catalogue.remarks import find_destroyed, tell_lookalikes
from catalogue.rows import GoodRow, RowReader, base_values, note_together
from catalogue.sheets.model import Sheet, SheetRow, SheetSource
from core.domain.image_request import ImageRequest
from core.domain.image_spec import ImageSpec
from core.domain.seeds import SeedRule, sku_seed


@dataclass(frozen=True, kw_only=True)
class ValidatedSheet:
    """A sheet, checked."""

    columns: Sequence[str]
    wanted: Sequence[ImageRequest]
    """In the sheet's order; the variants of a row one after the other. Of good rows only."""
    warnings: Sequence[Mapping[str, Any]]
    """What was accepted but looks wrong: `{line, column, message}`."""
    notes: Sequence[Mapping[str, Any]] = ()
    """What is right and good to know, in the same form."""
    titles: Mapping[int, TitleUse] = field(default_factory=dict)
    """What prompts have of their rows' titles, by line."""
    translated: Set[int] = frozenset()
    """Lines of rows of whose prompts the glossary replaced words."""


def validate(
    sheet: Sheet,
    fields: Mapping[str, Any],
    models: Mapping[str, Model],
    *,
    uses_photographs: bool = False,
    masked: Set[int] = frozenset(),
    glossary: Glossary | None = None,
) -> tuple[ValidatedSheet, Issues]:
    """Check every row, and give the images that the good ones ask for with what is wrong.

    A row's own cell wins over the request's field, which wins over the default of the row's model.

    Args:
        sheet: The file as it was read.
        fields: The request's `template`, `model`, `clean_titles` and values of
            `catalogue.mapping.PARAMETERS`.
        models: By name, what may be asked of each; the first is the one of rows that name none.
        uses_photographs: Whether somebody else looks at the rows' photographs; it is told if not.
        masked: Lines of rows where a mask says what a model may draw.
        glossary: Replaces words of the prompts that templates make.

    Returns:
        The images of good rows, none where all rows lack something, and everything that is wrong:
        with lines that could not be read, with the request's fields, and with rows.

    Raises:
        InvalidSheetError: The sheet asks for too many images, or its templates take too long.
    """
    issues, warnings, notes = _as_read(sheet)
    columns = sheet.reading.columns
    template, before = fields.get("template") or None, issues.count
    reader = RowReader(fields, columns, models, issues, masked)
    _check_columns(sheet, columns, template, issues)
    prompts = Prompts(sheet, template=template, issues=issues, glossary=glossary,
                      clean_titles=fields.get("clean_titles", True))  # fmt: skip
    concerns_all = issues.count > before
    _warn_of_unused(sheet, columns, warnings)
    if not uses_photographs:
        warnings.extend(note_photographs(sheet))
    rows = _read(sheet.rows, reader, prompts, issues)
    rows = [] if concerns_all else rows
    _check_count(rows)
    _tell_template(sheet, template, notes)
    _warn_of_large(rows, warnings)
    rows, remarks = fit_prompts(rows, prompts, warnings=warnings, notes=notes)
    if not uses_photographs:
        # Scenes are to look alike.
        _tell_lookalikes(rows, prompts, warnings=warnings, notes=notes)
    _remark(rows, prompts, warnings=warnings)
    shown = columns_of_look(sheet.columns, columns)
    remarked = zip(rows, remarks, strict=True)
    return ValidatedSheet(
        columns=sheet.columns,
        wanted=[one for row, remark in remarked for one in _expand(row, remark, shown)],
        warnings=_listed(warnings),
        notes=_listed(notes),
        titles=prompts.titles,
        translated=prompts.translated,
    ), issues


def _as_read(sheet: Sheet) -> tuple[Issues, Issues, Issues]:
    """Return what is wrong, odd and good to know of a sheet before its rows are looked at."""
    letters = sheet.issues.letters
    issues, warnings, notes = Issues(), Issues(letters=letters), Issues(letters=letters)
    issues.extend(sheet.issues)
    warnings.extend(sheet.warnings)
    notes.extend(sheet.notes)
    return issues, warnings, notes


def check_parameters(
    values: Mapping[str, Any], limits: RequestLimits
) -> tuple[dict[str, Any], Issues]:
    """Check one request's values, and add the model's defaults for what is not given."""
    issues = Issues()
    base = base_values(values, limits, issues)
    note_together(base, limits, issues)
    return base, issues


def seed_of(seed: int | SeedRule | None, sku: str) -> int | None:
    """Return the seed that a request means for a product; None lets the fingerprint decide."""
    if seed is SeedRule.PER_SKU:
        return sku_seed(sku)
    return None if seed is SeedRule.DERIVED else seed


_WORDS = ("weight", "variant", "sheet", "step", "weights", "freight", "widths")
"""Words of their own, and not misspelt names of parameters."""


def _read(
    rows: Sequence[SheetRow], reader: RowReader, prompts: Prompts, issues: Issues
) -> list[GoodRow]:
    """Read every row, and keep the good ones."""
    good = []
    for row in rows:
        before = issues.count
        # Templates are not let near cells that have no end.
        if not reader.check(row):
            continue
        read, prompt = reader.read(row), prompts.write(row)
        if read and prompt and issues.count == before:
            model, values = read
            good.append(GoodRow(row, model, values, prompt))
    return good


def _check_columns(
    sheet: Sheet, columns: Mapping[str, str], template: str | None, issues: Issues
) -> None:
    line = sheet.line_of_columns
    for column in sheet.columns:
        if reason := check_value(column):
            issues.add(reason, line=line, column=column)
    unclaimed = [column for column in sheet.columns if column not in columns.values()]
    for name in missing_columns(columns, template or sheet.reading.template):
        way_out = ", or send a `template` that makes prompts of other columns"
        issues.add(
            f"The sheet has no column {name!r}; it has {', '.join(map(repr, sheet.columns))}."
            f"{suggestion(name, unclaimed)} Name the right one with `columns` (--column {name}=…)"
            f"{way_out if name == 'prompt' else ''}.",
            line=line,
            column=name,
        )


def _check_count(rows: Sequence[GoodRow]) -> None:
    images = sum(one.values["variants"] for one in rows)
    # The server's, whatever the model.
    if rows and images > (most := rows[0].model.limits.max_images):
        refuse(
            f"The sheet asks for {images:,} images ({len(rows):,} rows); the limit is {most:,} "
            "images. Split the sheet."
        )


def _warn_of_unused(sheet: Sheet, columns: Mapping[str, str], warnings: Issues) -> None:
    """Point at columns that look like misspelt ones."""
    if sheet.reading.source is not SheetSource.PLAIN:
        return
    free = [name for name in PARAMETERS if name not in columns]
    for column in sheet.columns:
        name = closest(column, free, cutoff=0.8)
        if name and canonical(column) not in (name, *_WORDS):
            warnings.add(
                f"The column {column!r} is not used. If you meant {name!r}, rename it.",
                line=sheet.line_of_columns,
                column=column,
            )


def _warn_of_large(rows: Sequence[GoodRow], warnings: Issues) -> None:
    """Report images beyond what their model was tested with."""
    lines: dict[str, tuple[RequestLimits, list[int]]] = {}
    for one in rows:
        limits = one.model.limits
        if is_beyond_tested(one.values["width"], one.values["height"], limits):
            lines.setdefault(limits.model, (limits, []))[1].append(one.row.line)
    for limits, large in lines.values():
        reason = beyond_tested(limits)
        warnings.extend(note(large, f"The image has {reason}", f"{{number}} images have {reason}"))


def _tell_template(sheet: Sheet, template: str | None, notes: Issues) -> None:
    """Report of which columns the prompts of a plain sheet without prompts are made."""
    if template or sheet.reading.source is not SheetSource.PLAIN or not sheet.reading.template:
        return
    columns = sheet.reading.columns
    used = ", ".join(repr(columns[name]) for name in ("title", "type", *LOOK) if name in columns)
    notes.add(
        f"The sheet has neither prompts nor a template: prompts are made of {used}. Send a "
        "`template` to write them otherwise."
    )


def _tell_lookalikes(
    rows: Sequence[GoodRow], prompts: Prompts, *, warnings: Issues, notes: Issues
) -> None:
    tell_lookalikes(
        ((one.row, one.prompt) for one in rows),
        title=prompts.columns.get("title"),
        warnings=warnings,
        notes=notes,
    )


def _warn_of_languages(rows: Sequence[GoodRow], warnings: Issues) -> None:
    """Report prompts in languages that their model was not trained on, once for each language."""
    lines: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for one in rows:
        known = one.model.languages
        if language := foreign_language(one.prompt, known):
            lines[language, known].append(one.row.line)
    for (language, known), found in lines.items():
        foreign, own = LANGUAGES[language], " and ".join(LANGUAGES.get(one, one) for one in known)
        what = (
            f"but the model was trained on {own}: translate {{}}, or give its words in a glossary "
            "(`packshot glossary`)"
        )
        warnings.extend(
            note(
                found,
                f"The prompt looks {foreign}, {what.format('it')}",
                f"{{number}} prompts look {foreign}, {what.format('them')}",
            )
        )


def _remark(rows: Sequence[GoodRow], prompts: Prompts, *, warnings: Issues) -> None:
    """Report what looks wrong with good rows as a whole."""
    columns = prompts.columns
    _warn_of_languages(rows, warnings)
    warnings.extend(
        note(
            prompts.unnamed,
            "The title names no product, and its prompt is made of it: give the row a prompt",
            "{number} titles name no product, and prompts are made of them: give the rows prompts",
        )
    )
    skus = ((one.row.line, one.values["sku"]) for one in rows)
    warnings.extend(find_destroyed(skus, columns.get("sku", "sku")))


def _expand(one: GoodRow, remark: str | None, columns: Mapping[str, str]) -> list[ImageRequest]:
    values, cells = one.values, dict(one.row.cells)
    alt_text = alt_text_of(one.row, columns, prompt=one.prompt)
    seed = seed_of(values["seed"], values["sku"])
    spec = ImageSpec.of({**values, "prompt": one.prompt, "seed": seed})
    return [
        ImageRequest(
            spec=spec,
            model=one.model.made_by,
            sku=values["sku"],
            variant=variant,
            line=one.row.line,
            row=cells,
            alt_text=alt_text,
            warning=remark,
        )
        for variant in range(1, values["variants"] + 1)
    ]


def _listed(warnings: Issues) -> list[dict[str, Any]]:
    listed = list(warnings.documents())
    if warnings.left_out:
        message = f"{warnings.left_out:,} more warnings are in results.csv."
        listed.append({"line": None, "column": None, "message": message})
    return listed
