"""What the events of a batch say."""

from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.batches import Counts
from core.domain.states import BatchState, JobState


class StageCounts(BaseModel):
    """How far the jobs have come that are not finished."""

    waiting: int = Field(default=0, description="Until its turn among all that is queued.")
    delayed: int = Field(default=0, description="Before the next try, after one that failed.")
    sent: int = Field(default=0, description="To the workers: the next free one takes it.")
    computing: int = Field(default=0, description="By a worker.")


class ProgressEvent(BaseModel):
    """Data of the event `progress`."""

    state: BatchState
    total: int = Field(description="Images.")
    counts: Counts
    stages: StageCounts


class FinishedJob(BaseModel):
    """A job that has just been finished."""

    id: UUID
    position: int = Field(description="In the batch, from 0.")
    sku: str
    variant: int
    state: JobState


class FinishedJobs(BaseModel):
    """Data of the event `jobs`."""

    jobs: list[FinishedJob]


class BatchEnd(BaseModel):
    """Data of the event `end`."""

    state: BatchState | None = Field(description="null: the batch was deleted.")
