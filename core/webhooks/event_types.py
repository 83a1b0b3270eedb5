"""Types of events."""

from enum import StrEnum
from uuid import UUID


class EventType(StrEnum):
    """Types of events, as receivers see them."""

    IMAGE_COMPLETED = "image.completed"
    """A job has its image."""
    IMAGE_FAILED = "image.failed"
    """A job will have no image."""
    IMAGE_APPROVED = "image.approved"
    """Somebody approved a job's image."""
    IMAGE_REJECTED = "image.rejected"
    """Somebody rejected a job's image."""
    BATCH_PROGRESS = "batch.progress"
    """Some of a batch's jobs have finished; recorded every few seconds at most."""
    BATCH_COMPLETED = "batch.completed"
    """Every job of a batch has finished."""
    BATCH_CANCELED = "batch.canceled"
    """Somebody cancelled a batch."""
    ENDPOINT_DISABLED = "endpoint.disabled"
    """Another endpoint of the tenant was disabled."""
    ENDPOINT_TEST = "endpoint.test"
    """Somebody wanted to see whether an endpoint works; sent whatever its filter says."""


def event_name(event_id: UUID) -> str:
    """Write an event's id as receivers see it: the same with every attempt."""
    return f"msg_{event_id.hex}"
