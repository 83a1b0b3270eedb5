"""Rows to values: a row's own cell, else the request's field, else the default of its model."""

from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from catalogue.checks import (
    LONGEST_CELL,
    RequestLimits,
    check_extent,
    check_interval,
    check_memory,
    check_preset,
    check_schedule,
    check_value,
)
from catalogue.issues import Issues
from catalogue.mapping import PARAMETERS, is_given, parse_value, read_value
from catalogue.models import Model, check_model, model_named
from catalogue.sheets.model import SheetRow

NO_MODEL = (
    " If the column says something of the product, say that no column names models: `columns` "
    '{"model": ""} (--column model=).'
)


class GoodRow(NamedTuple):
    """A row with which nothing is wrong."""

    row: SheetRow
    model: Model
    values: Mapping[str, Any]
    """Of `catalogue.mapping.PARAMETERS`, and its sku."""
    prompt: str


class _Base(NamedTuple):
    """What rows of one model have in common."""

    model: Model
    values: Mapping[str, Any]
    good: bool
    """Whether the model takes what the request says."""


def base_values(
    fields: Mapping[str, Any], limits: RequestLimits, issues: Issues, line: int | None = None
) -> dict[str, Any]:
    """Read what a request says for every row, over the model's defaults; note what is wrong."""
    base: dict[str, Any] = {"seed": None, "variants": 1} | dict(limits.defaults)
    preset = fields.get("preset")
    if preset is not None and is_given(preset):
        if reason := check_preset(preset, limits):
            issues.add(reason, line=line, column="preset")
        base |= limits.presets.get(preset, {})
    for name in PARAMETERS:
        if is_given(fields.get(name)):
            base[name], reason = read_value(name, fields[name], limits)
            if reason:
                issues.add(reason, line=line, column=name)
    return base


def note_together(
    values: Mapping[str, Any], limits: RequestLimits, issues: Issues, line: int | None = None
) -> None:
    """Report values that do not go together, wherever each of them comes from.

    These are more steps than a scheduler takes, guidance that ends before it begins, and more
    pixels than there is memory for.
    """
    if reason := check_schedule(values.get("steps"), values.get("scheduler"), limits):
        issues.add(reason, line=line, column="steps")
    if reason := check_interval(values.get("guidance_start"), values.get("guidance_end")):
        issues.add(reason, line=line, column="guidance_end")
    if reason := check_memory(values.get("width"), values.get("height"), limits):
        issues.add(reason, line=line, column="width")


_TOGETHER = {"steps", "scheduler", "guidance_start", "guidance_end", "width", "height"}
"""Where rows say one of them, all are checked together."""


class RowReader:
    """Reads the values of one sheet's rows."""

    def __init__(
        self,
        fields: Mapping[str, Any],
        columns: Mapping[str, str],
        models: Mapping[str, Model],
        issues: Issues,
        masked: Set[int] = frozenset(),
    ) -> None:
        """Read what the request says; where all rows have one model, against it at once.

        Args:
            fields: The request's.
            columns: Which column holds what.
            models: By name; the first is that of rows that name none.
            issues: What is wrong.
            masked: Lines of rows where a mask says what a model may draw.
        """
        self._fields = fields
        self._models = models
        self._issues = issues
        self._masked = masked
        self._named = {name: column for name, column in columns.items() if name in PARAMETERS}
        if "sku" in columns:
            self._named["sku"] = columns["sku"]
        # Where rows say either, each is checked.
        self._together = bool(_TOGETHER & set(self._named))
        self._column = columns.get("model")
        self._bases: dict[str, _Base] = {}
        self._own = model_named(fields.get("model"), models)
        if reason := check_model(self._own, models):
            issues.add(reason, column="model")
        elif self._column is None and not masked:
            self._base(self._own, None)

    def check(self, row: SheetRow) -> bool:
        """Report the cells that cannot be kept; return whether all can be checked further."""
        fit = True
        for column, cell in row.cells.items():
            # Nearly every cell is a short text: a sheet has a million of them.
            if isinstance(cell, str) and len(cell) <= LONGEST_CELL:
                endless, reason = None, check_value(cell)
            else:
                endless = check_extent(cell)
                reason = endless or check_value(cell)
            if reason:
                self._issues.add(reason, line=row.line, column=column)
            fit = fit and endless is None
        return fit

    def read(self, row: SheetRow) -> tuple[Model, dict[str, Any]] | None:
        """Return a row's model and values, noting what is wrong; None: there is no such model."""
        base = self._base_of(row)
        if base is None:
            return None
        values, limits = dict(base.values), base.model.limits
        for name, column in self._named.items():
            cell = row.fields[name] if name in row.fields else row.get(column)
            if is_given(cell) or name == "sku":
                values[name], reason = read_value(name, "" if cell is None else cell, limits)
                if reason:
                    self._issues.add(reason, line=row.line, column=column)
        if self._together:
            note_together(values, limits, self._issues, row.line)
        return (base.model, values) if base.good else None

    def _base_of(self, row: SheetRow) -> _Base | None:
        cell = row.get(self._column)
        if not is_given(cell):
            return self._base(self._own, row.line) if self._own in self._models else None
        name, reason = parse_value("model", cell)
        reason = reason or check_model(name, self._models)
        if reason is None:
            return self._base(name, row.line)
        self._issues.add(f"{reason}{NO_MODEL}", line=row.line, column=self._column)
        return None

    def _base(self, name: str, line: int | None) -> _Base:
        """Return what rows of a model have in common; read at the first of them."""
        if line in self._masked:
            name = self._models[name].masked_by or name
        if name not in self._bases:
            model, before = self._models[name], self._issues.count
            values = base_values(self._fields, model.limits, self._issues, line)
            if not self._together:
                note_together(values, model.limits, self._issues, line)
            good = self._issues.count == before
            self._bases[name] = _Base(model=model, values=values, good=good)
        return self._bases[name]
