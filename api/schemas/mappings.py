"""The JSON of remembered mappings."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from catalogue.sheets.model import SheetSource


class MappingView(BaseModel):
    """What was said of the columns of sheets with the same header."""

    id: UUID
    signature: str = Field(
        description="Of the header: SHA-256 of the names of its columns, folded and sorted."
    )
    columns: dict[str, str] = Field(
        description="The sheet's column by what packshot takes it for; the empty text: none is it."
    )
    source: SheetSource | None = Field(
        description="Whose export the sheets were said to be; null: that is found out."
    )
    sheet: str = Field(description="What the last sheet was called that was read by it.")
    created_at: datetime
    last_used_at: datetime


class MappingPage(BaseModel):
    """One page of mappings."""

    items: list[MappingView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")
