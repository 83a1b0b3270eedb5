"""Mappings of columns: taken where one was said of the same header, remembered where one is."""

from typing import TYPE_CHECKING

from sqlmodel import Session

from catalogue.proposals import signature_of
from catalogue.sheets.model import Recall, RememberedMapping, SheetSource
from core.column_mappings import find_mapping, note_use, remember_mapping
from core.db.models import ColumnMapping

if TYPE_CHECKING:
    from api.submission.upload import SheetRequest


def recall_of(session: Session, tenant: str) -> Recall:
    """Make what knows a tenant's mappings by the header of a sheet."""

    def recall(signature: str) -> RememberedMapping | None:
        found = find_mapping(session, tenant, signature)
        return _view(found) if found else None

    return recall


def keep_mapping(session: Session, tenant: str, request: "SheetRequest") -> None:
    """Remember what a request says of its sheet's columns, or that a mapping was used again."""
    sheet = request.sheet
    used = sheet.remembered
    if request.says_columns and sheet.named:
        source = request.fields.source or (used.source if used else None)
        remember_mapping(
            session,
            tenant,
            signature_of(sheet.columns),
            sheet.named,
            source=source.value if source else None,
            sheet=request.name,
        )
    elif used is not None:
        note_use(session, tenant, signature_of(sheet.columns), request.name)


def _view(found: ColumnMapping) -> RememberedMapping:
    return RememberedMapping(
        id=str(found.id),
        columns=found.columns,
        source=SheetSource(found.source) if found.source else None,
        last_used_at=found.last_used_at,
    )
