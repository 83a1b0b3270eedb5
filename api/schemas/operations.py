"""Caches, and whether requests can be served."""

from datetime import datetime

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from api.schemas.parameters import Line, Text
from api.schemas.strict import StrictModel


class OutcomeCount(BaseModel):
    """How often something happened in a cache, and what it saved."""

    number: int
    steps_saved: float = Field(description="UNet steps that were not computed.")
    seconds_saved: float = Field(
        description="Seconds of computing (as a job's `seconds`), as far as known."
    )


class CacheHeld(BaseModel):
    """What a cache holds of yours at the moment."""

    size: int = Field(description="Bytes.")
    entries: int


class CacheLevel(BaseModel):
    """What one cache did for your jobs."""

    level: str = Field(description="result, in_flight or approximate.")
    outcomes: dict[str, OutcomeCount] = Field(description="By hit and, where known, miss.")
    stored: CacheHeld | None = Field(description="null: it stores nothing.")


class CacheStats(BaseModel):
    """What the caches did for your newest jobs, level by level."""

    jobs: int = Field(description="Jobs of the last 30 days that are counted, the newest 100,000.")
    since: datetime | None = Field(description="When the oldest of them was asked for.")
    levels: list[CacheLevel]


class Purge(StrictModel):
    """Which stored images to let go; all that match what is given."""

    prompt: Text | None = Field(None, description="Of this prompt.")
    bundle_revision: Line | None = Field(None, description="Made by this model bundle.")
    all: bool = Field(False, description="Everything; not together with the others.")
    named: bool = Field(
        False,
        description="Delete also what running batches and recent results name; those have no "
        "image from then on. Otherwise that goes when its time of retention is over.",
    )


class PurgeResult(BaseModel):
    """What was purged."""

    images: int = Field(description="Images that answer no more.")
    latents: int = Field(description="Latents that nothing begins with any more.")


class Health(BaseModel):
    """The process is alive."""

    status: str = "ok"


class Component(BaseModel):
    """One thing that the API depends on."""

    ok: bool
    required: bool = Field(description="Whether requests are refused without it.")
    reason: str | None = Field(description="What is wrong, in a few words; null: nothing.")
    address: SkipJsonSchema[str] = Field(exclude=True)
    """For operators: it is in the log."""
    detail: str | None = Field(description="Where the log says why it is not there.")


class Readiness(BaseModel):
    """Whether requests can be served."""

    status: str = Field(
        description="ready, degraded (still accepting), unavailable, or draining (about to end)."
    )
    problems: list[str] = Field(
        description="What is wrong, each with its component: `postgres: no answer in 2 s`."
    )
    components: dict[str, Component]
