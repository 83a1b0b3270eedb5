"""The JSON of photographs that came in."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

Digest = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f]{64}$",
        description="Only the one with these bytes: their SHA-256, hex. Who asks first need not "
        "send what is there.",
    ),
]


class SourceLinks(BaseModel):
    """Where it is."""

    self: str
    content: str = Field(description="The file, as it came.")


class SourceView(BaseModel):
    """One photograph, as it came in."""

    id: UUID
    digest: str = Field(description="SHA-256 of the bytes, hex; also the ETag of its content.")
    size: int = Field(description="Bytes.")
    content_type: str = Field(description="The media type, told by the bytes.")
    width: int = Field(
        description="Pixels as they are stored: whether the camera was turned does not count."
    )
    height: int
    file_name: str = Field(description="What it was called when it first came; empty: unknown.")
    created_at: datetime
    last_used_at: datetime = Field(description="When it was last sent or used: it is kept since.")
    links: SourceLinks


class SourcePage(BaseModel):
    """Some photographs."""

    items: list[SourceView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")
