"""From a sheet to the images that it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalogue.checks import check_value
from catalogue.issues import Issues, refuse
from catalogue.limits import Limits
from catalogue.mapping import PARAMETERS, find_columns, is_given, read_value
from catalogue.names import canonical, closest, suggestion
from catalogue.prompts import Prompts, cut_off_warning, missing_columns
from catalogue.sheet import Row, Sheet
from catalogue.tokens import TokenLimit
from core.lifecycle.submission import Wanted


@dataclass(frozen=True, kw_only=True)
class Order:
    """A sheet that was found good."""

    columns: Sequence[str]
    wanted: Sequence[Wanted]
    """In the sheet's order; the variants of a row one after the other."""
    warnings: Sequence[Mapping[str, Any]]
    """What was accepted but looks wrong: `{line, column, message}`."""


def make_order(
    sheet: Sheet, fields: Mapping[str, Any], limits: Limits, tokens: TokenLimit | None = None
) -> Order:
    """Check every row, and give the images that they ask for.

    A row's own cell wins over the request's field, which wins over the model's default.

    Args:
        sheet: The file as it was read.
        fields: The request's `template` and values of `catalogue.mapping.PARAMETERS`.
        limits: What may be asked for.
        tokens: The model's tokenizer; None leaves the length of prompts unchecked.

    Raises:
        InvalidSheetError: naming every bad cell by line and column.
    """
    issues, warnings = Issues(), Issues()
    columns = find_columns(sheet.columns)
    template = fields.get("template") or None
    prompts = Prompts(
        columns=columns, template=template, fixed_columns=sheet.fixed_columns, issues=issues
    )
    base = _base(fields, limits, issues)
    _check_columns(sheet, columns, template, issues)
    _check_count(len(sheet.rows), len(sheet.rows), limits)
    issues.raise_if_any()

    parameters = {name: column for name, column in columns.items() if name in PARAMETERS}
    reader = _RowReader(base, parameters, columns["sku"], limits, issues)
    rows = [(row, reader.read(row), prompts.write(row)) for row in sheet.rows]
    issues.raise_if_any()
    _check_count(sum(values["variants"] for _, values, _ in rows), len(rows), limits)

    for warning in sheet.warnings:
        warnings.add(warning.message, line=warning.line, column=warning.column)
    _warn_of_unused(sheet, columns, warnings)
    remarks = _remark_cuts(rows, columns, tokens, warnings)
    return Order(
        columns=sheet.columns,
        wanted=[
            wanted
            for (row, values, prompt), remark in zip(rows, remarks, strict=True)
            for wanted in _expand(row, values, prompt, remark)
        ],
        warnings=_listed(warnings),
    )


def check_parameters(values: Mapping[str, Any], limits: Limits) -> tuple[dict[str, Any], Issues]:
    """Check one request's values, and add the model's defaults for what is not given."""
    issues = Issues()
    return _base(values, limits, issues), issues


_Read = tuple[Row, dict[str, Any], str]


def _base(fields: Mapping[str, Any], limits: Limits, issues: Issues) -> dict[str, Any]:
    """Read what the request says for every row, over the model's defaults."""
    base: dict[str, Any] = {"seed": None, "variants": 1} | dict(limits.defaults)
    for name in PARAMETERS:
        if is_given(fields.get(name)):
            base[name], reason = read_value(name, fields[name], limits)
            if reason:
                issues.add(reason, column=name)
    return base


class _RowReader:
    """Reads the values of one sheet's rows."""

    def __init__(
        self,
        base: Mapping[str, Any],
        parameters: Mapping[str, str],
        sku: str,
        limits: Limits,
        issues: Issues,
    ) -> None:
        self.base = base
        self.named = {**parameters, "sku": sku}
        self.limits = limits
        self.issues = issues

    def read(self, row: Row) -> dict[str, Any]:
        """Give a row's values; what is wrong with them is noted."""
        for column, cell in row.cells.items():
            reason = check_value(column) or check_value(cell)
            if reason:
                self.issues.add(reason, line=row.line, column=column)
        values = dict(self.base)
        for name, column in self.named.items():
            cell = row.cells.get(column)
            if is_given(cell) or name == "sku":
                values[name], reason = read_value(name, "" if cell is None else cell, self.limits)
                if reason:
                    self.issues.add(reason, line=row.line, column=column)
        return values


def _check_columns(
    sheet: Sheet, columns: Mapping[str, str], template: str | None, issues: Issues
) -> None:
    unclaimed = [column for column in sheet.columns if column not in columns.values()]
    for name in missing_columns(columns, template):
        way_out = " Or send a `template` that makes prompts of other columns."
        issues.add(
            f"The sheet has no column {name!r}; it has {', '.join(map(repr, sheet.columns))}."
            f"{suggestion(name, unclaimed)}{way_out if name == 'prompt' else ''}",
            line=1 if sheet.fixed_columns else None,
            column=name,
        )


def _check_count(images: int, rows: int, limits: Limits) -> None:
    if images > limits.max_images:
        refuse(
            f"The sheet asks for {images:,} images ({rows:,} rows); {limits.max_images:,} is the "
            "most of one sheet. Split it."
        )


def _warn_of_unused(sheet: Sheet, columns: Mapping[str, str], warnings: Issues) -> None:
    """Point at columns that look like misspelt ones."""
    free = [name for name in PARAMETERS if name not in columns]
    for column in sheet.columns:
        name = closest(column, free, cutoff=0.8)
        if name and canonical(column) != name:
            warnings.add(
                f"The column {column!r} is not read. If {name!r} is meant, rename it.",
                line=1 if sheet.fixed_columns else None,
                column=column,
            )


def _remark_cuts(
    rows: Sequence[_Read],
    columns: Mapping[str, str],
    tokens: TokenLimit | None,
    warnings: Issues,
) -> list[str | None]:
    """Give each row's remark on a prompt that is too long for the model."""
    if tokens is None:
        return [None] * len(rows)
    cuts = tokens.cut_off(prompt for _, _, prompt in rows)
    remarks = [
        cut_off_warning(cuts[prompt], tokens.limit) if prompt in cuts else None
        for _, _, prompt in rows
    ]
    for (row, _, _), remark in zip(rows, remarks, strict=True):
        if remark:
            warnings.add(remark, line=row.line, column=columns.get("prompt", "prompt"))
    return remarks


def _expand(row: Row, values: Mapping[str, Any], prompt: str, remark: str | None) -> list[Wanted]:
    shared = {name: value for name, value in values.items() if name != "variants"}
    cells = dict(row.cells)
    return [
        Wanted(**shared, prompt=prompt, variant=variant, line=row.line, row=cells, warning=remark)
        for variant in range(1, values["variants"] + 1)
    ]


def _listed(warnings: Issues) -> list[dict[str, Any]]:
    listed = list(warnings.documents())
    if warnings.left_out:
        message = f"{warnings.left_out:,} more warnings are in results.csv."
        listed.append({"line": None, "column": None, "message": message})
    return listed
