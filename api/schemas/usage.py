"""The JSON of what keys used."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class KeyUsageView(BaseModel):
    """What came with one key."""

    api_key_id: UUID | None = Field(description="null: of jobs whose key was not kept.")
    name: str = Field(description="The key's; empty where it has none, or is deleted.")
    jobs: int
    images: int = Field(description="Jobs that got their image.")
    failed: int
    computed: int = Field(
        description="Of the images, those that were computed; the others were in store, or were "
        "being made already."
    )
    seconds: float = Field(description="Seconds of computing, as a job's `seconds`.")
    bytes_stored: int = Field(description="Bytes of the images that were computed.")


class Usage(BaseModel):
    """What each of your tenant's keys asked for, the costliest first."""

    since: datetime
    until: datetime
    items: list[KeyUsageView]
