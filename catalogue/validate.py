"""From a sheet to the images that it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalogue.checks import RequestLimits, check_value
from catalogue.issues import Issues, refuse
from catalogue.mapping import PARAMETERS, RowReader, is_given, note_schedule, read_value
from catalogue.names import canonical, closest, suggestion
from catalogue.platforms.fields import LOOK, note
from catalogue.prompts.tokens import TokenLimit
from catalogue.prompts.writer import (
    Prompts,
    cut_off_warning,
    missing_columns,
    shortened_title,
)
from catalogue.remarks import find_destroyed, note_photographs, tell_lookalikes
from catalogue.sheets.model import Sheet, SheetRow, SheetSource
from core.domain.image_request import ImageRequest
from core.domain.image_spec import ImageSpec, ModelInput
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


def validate(
    sheet: Sheet, fields: Mapping[str, Any], limits: RequestLimits, tokens: TokenLimit | None = None
) -> tuple[ValidatedSheet, Issues]:
    """Check every row, and give the images that the good ones ask for with what is wrong.

    A row's own cell wins over the request's field, which wins over the model's default.

    Args:
        sheet: The file as it was read.
        fields: The request's `template` and values of `catalogue.mapping.PARAMETERS`.
        limits: What may be asked for.
        tokens: The model's tokenizer; None leaves the length of prompts unchecked.

    Returns:
        The images of good rows, none where all rows lack something, and everything that is wrong:
        with lines that could not be read, with the request's fields, and with rows.

    Raises:
        InvalidSheetError: The sheet asks for too many images, or its templates take too long.
    """
    issues, warnings, notes = Issues(), Issues(), Issues()
    issues.extend(sheet.issues)
    columns = sheet.reading.columns
    template = fields.get("template") or None
    before = issues.count
    base = _base(fields, limits, issues)
    if not {"steps", "scheduler"} & set(columns):
        # Of all rows at once; where rows say either, each is checked.
        note_schedule(base, limits, issues)
    _check_columns(sheet, columns, template, issues)
    prompts = Prompts(sheet, template=template, issues=issues)
    concerns_all = issues.count > before
    warnings.extend(sheet.warnings)
    _warn_of_unused(sheet, columns, warnings)
    warnings.extend(note_photographs(sheet))

    reader = RowReader(base, columns, limits, issues)
    rows = _read(sheet.rows, reader, prompts, issues)
    if concerns_all:
        rows = []
    _check_count(sum(values["variants"] for _, values, _ in rows), len(rows), limits)
    if not template and sheet.reading.source is SheetSource.PLAIN and sheet.reading.template:
        notes.add(_made_of(columns))
    rows, remarks = _fit(rows, prompts, tokens, warnings=warnings, notes=notes)
    _remark(rows, prompts, warnings=warnings, notes=notes)
    wanted = [
        one
        for (row, values, prompt), remark in zip(rows, remarks, strict=True)
        for one in _expand(row, values, prompt, remark, limits.reads)
    ]
    listed, told = _listed(warnings), _listed(notes)
    return ValidatedSheet(columns=sheet.columns, wanted=wanted, warnings=listed, notes=told), issues


def check_parameters(
    values: Mapping[str, Any], limits: RequestLimits
) -> tuple[dict[str, Any], Issues]:
    """Check one request's values, and add the model's defaults for what is not given."""
    issues = Issues()
    base = _base(values, limits, issues)
    note_schedule(base, limits, issues)
    return base, issues


def seed_of(seed: int | SeedRule | None, sku: str) -> int | None:
    """Return the seed that a request means for a product; None lets the fingerprint decide."""
    if seed is SeedRule.PER_SKU:
        return sku_seed(sku)
    return None if seed is SeedRule.DERIVED else seed


_WORDS = ("weight", "variant", "sheet", "step", "weights", "freight", "widths")
"""Words of their own, and not misspelt names of parameters."""

_Read = tuple[SheetRow, dict[str, Any], str]


def _base(fields: Mapping[str, Any], limits: RequestLimits, issues: Issues) -> dict[str, Any]:
    """Read what the request says for every row, over the model's defaults."""
    base: dict[str, Any] = {"seed": None, "variants": 1} | dict(limits.defaults)
    for name in PARAMETERS:
        if is_given(fields.get(name)):
            base[name], reason = read_value(name, fields[name], limits)
            if reason:
                issues.add(reason, column=name)
    return base


def _read(
    rows: Sequence[SheetRow], reader: RowReader, prompts: Prompts, issues: Issues
) -> list[_Read]:
    """Read every row, and keep the good ones."""
    good = []
    for row in rows:
        before = issues.count
        # Templates are not let near cells that have no end.
        if not reader.check(row):
            continue
        values, prompt = reader.read(row), prompts.write(row)
        if prompt and issues.count == before:
            good.append((row, values, prompt))
    return good


def _check_columns(
    sheet: Sheet, columns: Mapping[str, str], template: str | None, issues: Issues
) -> None:
    line = 1 if sheet.fixed_columns else None
    for column in sheet.columns:
        if reason := check_value(column):
            issues.add(reason, line=line, column=column)
    unclaimed = [column for column in sheet.columns if column not in columns.values()]
    for name in missing_columns(columns, template or sheet.reading.template):
        way_out = ", or send a `template` that makes prompts of other columns"
        issues.add(
            f"The sheet has no column {name!r}; it has {', '.join(map(repr, sheet.columns))}."
            f"{suggestion(name, unclaimed)} Say which it is with `columns` (--column {name}=…)"
            f"{way_out if name == 'prompt' else ''}.",
            line=line,
            column=name,
        )


def _check_count(images: int, rows: int, limits: RequestLimits) -> None:
    if images > limits.max_images:
        refuse(
            f"The sheet asks for {images:,} images ({rows:,} rows); {limits.max_images:,} is the "
            "most of one sheet. Split it."
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
                f"The column {column!r} is not read. If {name!r} is meant, rename it.",
                line=1 if sheet.fixed_columns else None,
                column=column,
            )


def _made_of(columns: Mapping[str, str]) -> str:
    """Report of which columns the prompts of a plain sheet without prompts are made."""
    used = ", ".join(repr(columns[name]) for name in ("title", "type", *LOOK) if name in columns)
    return (
        f"The sheet has neither prompts nor a template: prompts are made of {used}. Send a "
        "`template` to write them otherwise."
    )


def _remark(rows: Sequence[_Read], prompts: Prompts, *, warnings: Issues, notes: Issues) -> None:
    """Report what looks wrong with good rows as a whole."""
    columns = prompts.columns
    tell_lookalikes(
        ((row, prompt) for row, _, prompt in rows),
        title=columns.get("title"),
        warnings=warnings,
        notes=notes,
    )
    warnings.extend(
        note(
            prompts.unnamed,
            "The title names no product, and its prompt is made of it: give the row a prompt",
            "{number} titles name no product, and prompts are made of them: give the rows prompts",
        )
    )
    skus = ((row.line, values["sku"]) for row, values, _ in rows)
    warnings.extend(find_destroyed(skus, columns.get("sku", "sku")))


def _fit(
    rows: Sequence[_Read],
    prompts: Prompts,
    tokens: TokenLimit | None,
    *,
    warnings: Issues,
    notes: Issues,
) -> tuple[list[_Read], list[str | None]]:
    """Shorten titles in prompts that are too long for the model, and remark on all of these.

    Returns:
        The rows, and each one's remark.
    """
    if tokens is None:
        return list(rows), [None] * len(rows)
    cuts = tokens.cut_off(prompt for _, _, prompt in rows)
    fitted: dict[str, tuple[str, str] | None] = {}
    good: list[_Read] = []
    remarks: list[str | None] = []
    shortened = []
    for row, values, prompt in rows:
        remark = None
        if prompt in cuts:
            if prompt not in fitted:
                fitted[prompt] = prompts.shorten(row, tokens)
            shorter = fitted[prompt]
            if shorter:
                remark = shortened_title(shorter[1], tokens.limit)
                shortened.append(row.line)
            else:
                remark = cut_off_warning(cuts[prompt], tokens.limit)
                column = prompts.columns.get("prompt", "prompt")
                warnings.add(remark, line=row.line, column=column)
            prompt = shorter[0] if shorter else prompt  # noqa: PLW2901
        good.append((row, values, prompt))
        remarks.append(remark)
    notes.extend(
        note(
            shortened,
            f"The title was shortened: the model reads {tokens.limit} tokens of a prompt",
            f"{{number}} titles were shortened: the model reads {tokens.limit} tokens of a prompt",
        )
    )
    return good, remarks


def _expand(
    row: SheetRow, values: dict[str, Any], prompt: str, remark: str | None, reads: ModelInput
) -> list[ImageRequest]:
    seed = seed_of(values["seed"], values["sku"])
    spec, cells = ImageSpec.of(values | {"prompt": prompt, "seed": seed}), dict(row.cells)
    return [
        ImageRequest(
            spec=spec,
            reads=reads,
            sku=values["sku"],
            variant=variant,
            line=row.line,
            row=cells,
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
