"""Batches as they stand."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.sheets import SheetReading, SheetWarning
from core.domain.lanes import Lane
from core.domain.states import BatchState


class Counts(BaseModel):
    """Jobs by state."""

    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0


class Approvals(BaseModel):
    """Images that are there, by what somebody said of them."""

    pending: int = Field(0, description="What waits for a judgement.")
    approved: int = 0
    rejected: int = 0


class BatchLinks(BaseModel):
    """Where to go from a batch: paths on this server."""

    self: str
    items: str
    results: str
    images: str = Field(description="All images as one ZIP; `?channel=` for a channel's.")
    manifest: str = Field(description="JSONL, an image in each line.")
    cancel: str
    retry: str


class BatchModel(BaseModel):
    """A model that makes images of a batch."""

    name: str | None = Field(description="null: the batch is older than names.")
    revision: str = Field(description="Of its bundle.")
    images: int


class BatchView(BaseModel):
    """One sheet, as it stands."""

    id: UUID
    name: str
    state: BatchState
    lane: Lane
    total: int = Field(description="Images.")
    counts: Counts
    require_approval: bool = Field(
        description="Whether its images are given out only when they are approved."
    )
    approvals: Approvals
    models: list[BatchModel] = Field(description="What makes its images, most of them first.")
    waiting_for_model: int = Field(
        description="Queued images whose model no worker serves, while workers serve another one: "
        "they wait until one does, or the operator moves them (`packshot model requeue`)."
    )
    detected: SheetReading | None = Field(
        description="How the sheet was read; null: the batch is older than that."
    )
    recipe: str | None = Field(description="The recipe that it was made with: `name@version`.")
    skipped: int = Field(
        description="Rows that were left out as bad ones: `skipped.csv` has them, and why."
    )
    warnings: list[SheetWarning]
    notes: list[SheetWarning] = Field(description="What is right and good to know.")
    created_at: datetime
    finished_at: datetime | None
    links: BatchLinks


class BatchPage(BaseModel):
    """Some batches, newest first."""

    items: list[BatchView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")
