"""The first rows of a sheet, made at once in several ways, to be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from api.models import Models
from api.schemas.requests import BatchFields
from api.submission.mappings import recall_of
from api.submission.modes import mode_of
from api.submission.recipes import use_recipe
from api.submission.upload import SheetRequest, Upload
from catalogue.issues import Issues
from catalogue.sheets.model import Sheet
from core.domain.lanes import Lane
from core.domain.photograph_spec import ImageMode
from core.domain.seeds import SeedRule
from core.errors import InvalidRequestError

MOST_ROWS = 12
MODES: Mapping[str, str] = {
    ImageMode.CUTOUT: "products cut out of their photographs",
    ImageMode.SCENE: "products in a drawn scene",
    ImageMode.EDIT: "photographs drawn anew",
}
"""What can become of the photographs that a sheet names, in words."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to make the images of a sheet: with a preset, a recipe or a mode, or by default."""

    written: str
    """As forms send it: `preset:draft`, `recipe:studio`, `mode:cutout`, or nothing."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Return the field of a request that says so.

        Raises:
            InvalidRequestError: It is none of these.
        """
        kind, _, name = self.written.partition(":")
        if not self.written:
            return {}
        is_known = name in MODES if kind == "mode" else name and kind in ("preset", "recipe")
        if not is_known:
            raise InvalidRequestError(
                f"{self.written!r} is no way to make images: choose a preset, a recipe or what "
                "becomes of the photographs."
            )
        return {kind: name}

    @property
    def label(self) -> str:
        """Return what people call it."""
        kind, _, name = self.written.partition(":")
        if kind == "mode":
            return MODES.get(name, self.written).capitalize()
        return f"{kind.capitalize()} {name}" if name else "The model's defaults"


def read_way(
    session: Session, tenant: str, upload: Upload, way: Way, models: Sequence[str], *, max_rows: int
) -> SheetRequest:
    """Read a sheet as it is to be made in one way.

    Where the recipe says no seed, it is taken from the SKU: so a row begins with the same noise
    in each way, and the whole sheet has the images that were looked at.

    Args:
        session: An open transaction.
        tenant: Whose recipes are meant.
        upload: The sheet, and what its form says beside it.
        way: With which preset or recipe.
        models: Names of the models that there are.
        max_rows: Most of its rows.

    Raises:
        NotFoundError: The tenant has no such recipe.
        RequestValidationError: A field does not fit.
        InvalidSheetError: Nothing of the sheet can be read, or it is too large.
    """
    said = replace(upload, fields={**(upload.fields or {}), **way.fields})
    own = said.read_fields()
    fields, recipe = use_recipe(session, tenant, own)
    if mode_of(fields) is ImageMode.TEXT and "seed" not in _given(fields):
        fields = fields.model_copy(update={"seed": SeedRule.PER_SKU})
    recall = recall_of(session, tenant)
    return SheetRequest(
        sheet=said.read_sheet(fields, models, recall=recall, max_rows=max_rows),
        fields=fields,
        name=fields.name or said.name,
        recipe=recipe,
        says_columns=own.is_to_remember,
    )


def first_rows(request: SheetRequest, rows: int, way: Way) -> SheetRequest:
    """Return a request for the first rows of a sheet, in the interactive lane.

    What is wrong with lines behind them is told when the whole sheet is sent.
    """
    fields = request.fields.model_copy(update={"lane": Lane.INTERACTIVE})
    name = f"Preview of {request.name}: {way.label}"[:200]
    return replace(request, sheet=_beginning(request.sheet, rows), fields=fields, name=name)


def _beginning(sheet: Sheet, rows: int) -> Sheet:
    kept, issues = sheet.rows[:rows], Issues()
    last = kept[-1].line if len(sheet.rows) > rows else None
    for issue in sheet.issues:
        if last is None or (issue.line or 0) <= last:
            issues.add(issue.message, line=issue.line, column=issue.column)
    return replace(sheet, rows=kept, issues=issues)


def _given(fields: BatchFields) -> set[str]:
    return {name for name in fields.model_fields_set if getattr(fields, name) is not None}


def presets_of(models: Models) -> Sequence[str]:
    """Return the presets that any model has, the cheapest first."""
    found = (name for bundle in models.usable() for name in bundle.manifest.presets)
    return list(dict.fromkeys(found))
