"""The life of a job, and of a message about it: every state, and every legal change of it.

Nothing writes a state column but `core.db.models.transitions`.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum


class BatchState(StrEnum):
    """Where one sheet stands."""

    RUNNING = "running"
    """At least one of its jobs is not finished."""
    COMPLETED = "completed"
    """Every job is finished; some may have failed."""
    CANCELED = "canceled"
    """Somebody cancelled it before every job was finished."""


class JobState(StrEnum):
    """Where one wanted image stands."""

    QUEUED = "queued"
    """Waiting for its generation to be picked up."""
    RUNNING = "running"
    """A worker is computing its generation."""
    SUCCEEDED = "succeeded"
    """It has its image."""
    FAILED = "failed"
    """It will have no image; the error says why."""
    CANCELED = "canceled"
    """Nobody wants it any more."""


class GenerationState(StrEnum):
    """Where one piece of compute stands."""

    QUEUED = "queued"
    """No worker holds it."""
    RUNNING = "running"
    """A worker holds its lease."""
    SUCCEEDED = "succeeded"
    """Its image is stored."""
    FAILED = "failed"
    """Given up; the error says why."""
    CANCELED = "canceled"
    """Its last waiter left."""


class DeliveryState(StrEnum):
    """Where one message to one address stands."""

    PENDING = "pending"
    """To be sent, or to be sent again."""
    DELIVERED = "delivered"
    """The receiver said that it has it."""
    FAILED = "failed"
    """Given up: after the last attempt, or because its endpoint was disabled or deleted."""


class PublishState(StrEnum):
    """Where one publish run stands."""

    PLANNING = "planning"
    """Its products are looked up in the store."""
    PLANNED = "planned"
    """What it would change is known, and nothing was changed."""
    RUNNING = "running"
    """Products get their images."""
    PUBLISHED = "published"
    """Every product was tried; some may have failed."""
    UNDOING = "undoing"
    """Products get back what they had."""
    UNDONE = "undone"
    """Every product has what it had before."""
    FAILED = "failed"
    """The store refused to be looked at; nothing was changed."""


class PublishItemState(StrEnum):
    """Where one product of a publish run stands."""

    PLANNED = "planned"
    """It is to get images, or gets them at the moment."""
    NOT_FOUND = "not_found"
    """The store has no product with this SKU."""
    PUBLISHED = "published"
    """It has its images."""
    FAILED = "failed"
    """The store refused them; it has what it had before."""
    UNDONE = "undone"
    """It has what it had before."""


class CacheOutcome(StrEnum):
    """What served a job."""

    MISS = "miss"
    """Its image was computed for it."""
    EXACT = "exact"
    """An image with the same fingerprint was in store."""
    COALESCED = "coalesced"
    """It joined a generation that another job had started."""
    APPROXIMATE = "approximate"
    """Its image was computed from latents of a near prompt, which spared it some steps."""


State = BatchState | JobState | GenerationState | DeliveryState | PublishState | PublishItemState

LEGAL: Mapping[type[State], Mapping[State, Sequence[State]]] = {
    BatchState: {
        BatchState.RUNNING: (BatchState.COMPLETED, BatchState.CANCELED),
        BatchState.COMPLETED: (),
        BatchState.CANCELED: (),
    },
    JobState: {
        JobState.QUEUED: (
            JobState.RUNNING,
            JobState.SUCCEEDED,
            JobState.FAILED,
            JobState.CANCELED,
        ),
        # Back to queued: its worker was lost, or handed the work back when it stopped.
        JobState.RUNNING: (
            JobState.QUEUED,
            JobState.SUCCEEDED,
            JobState.FAILED,
            JobState.CANCELED,
        ),
        JobState.SUCCEEDED: (),
        JobState.FAILED: (),
        JobState.CANCELED: (),
    },
    GenerationState: {
        GenerationState.QUEUED: (
            GenerationState.RUNNING,
            GenerationState.FAILED,
            GenerationState.CANCELED,
        ),
        GenerationState.RUNNING: (
            GenerationState.QUEUED,
            GenerationState.SUCCEEDED,
            GenerationState.FAILED,
            GenerationState.CANCELED,
        ),
        GenerationState.SUCCEEDED: (),
        GenerationState.FAILED: (),
        GenerationState.CANCELED: (),
    },
    DeliveryState: {
        DeliveryState.PENDING: (DeliveryState.DELIVERED, DeliveryState.FAILED),
        DeliveryState.DELIVERED: (),
        DeliveryState.FAILED: (),
    },
    PublishState: {
        PublishState.PLANNING: (PublishState.PLANNED, PublishState.FAILED),
        PublishState.PLANNED: (PublishState.RUNNING,),
        PublishState.RUNNING: (PublishState.PUBLISHED, PublishState.UNDOING),
        PublishState.PUBLISHED: (PublishState.UNDOING,),
        PublishState.UNDOING: (PublishState.UNDONE,),
        PublishState.UNDONE: (),
        PublishState.FAILED: (),
    },
    PublishItemState: {
        PublishItemState.PLANNED: (
            PublishItemState.PUBLISHED,
            PublishItemState.FAILED,
            PublishItemState.UNDONE,
        ),
        PublishItemState.NOT_FOUND: (),
        PublishItemState.PUBLISHED: (PublishItemState.UNDONE,),
        PublishItemState.FAILED: (),
        PublishItemState.UNDONE: (),
    },
}
"""For each kind of row, from each state, the states that may follow it.

Kinds are kept apart because members of different string enums are equal when their texts are:
in one mapping the `running` of a batch, a job and a generation would be the same key.
"""

REOPENED: Mapping[type[State], tuple[State, State]] = {
    BatchState: (BatchState.COMPLETED, BatchState.RUNNING),
    JobState: (JobState.FAILED, JobState.QUEUED),
}
"""What somebody may ask for once more: from which final state, to which.

Apart from `LEGAL`: nothing else leaves a final state, but `LOST`.
"""

LOST: tuple[JobState, JobState] = (JobState.SUCCEEDED, JobState.FAILED)
"""What becomes of a job when S3 turns out to have lost its image: from which state, to which."""

OPEN_JOB: tuple[JobState, ...] = (JobState.QUEUED, JobState.RUNNING)
"""A job in one of these still waits for its image."""

IN_FLIGHT: tuple[GenerationState, ...] = (GenerationState.QUEUED, GenerationState.RUNNING)
"""A generation in one of these can still be joined."""


def is_final(state: State) -> bool:
    """Check whether nothing can follow `state`."""
    return not LEGAL[type(state)][state]


def sources_of(target: State) -> tuple[State, ...]:
    """Return the states from which `target` may be reached, in the order of their definition."""
    legal = LEGAL[type(target)]
    return tuple(source for source, targets in legal.items() if target in targets)
