"""The end of a job: its waiters are told, its batch counts down."""

from collections import Counter
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col

from core.errors import PackshotError
from core.lifecycle.claims import Claim
from core.lifecycle.locks import among
from core.models import Batch, Generation, Image, Job
from core.states import BatchState, GenerationState, JobState, change


def succeed(session: Session, claim: Claim, image: Image, *, seconds: float) -> bool:
    """Record the image and finish every job that waits for it.

    Returns:
        False when the claim was lost: somebody else finishes it, and nothing was written.
    """
    statement = (
        change(Generation, GenerationState.SUCCEEDED)
        .where(*claim.fence())
        .values(seconds=seconds, lease_owner=None, lease_expires_at=None)
        .returning(col(Generation.id))
    )
    if session.execute(statement).first() is None:
        return False
    session.add(image)
    session.flush()
    settle(session, [claim.generation_id], JobState.SUCCEEDED, image_id=image.id)
    return True


def fail(session: Session, claim: Claim, error: PackshotError) -> bool:
    """Give a generation up, and every job that waits for it.

    Returns:
        False when the claim was lost, and nothing was written.
    """
    return bool(fail_where(session, claim.fence(), error))


def fail_where(session: Session, where: Collection[Any], error: PackshotError) -> list[UUID]:
    """Give up the generations that match, and the jobs that wait for them."""
    statement = (
        change(Generation, GenerationState.FAILED)
        .where(*where)
        .values(
            error_code=error.code,
            error_message=error.detail,
            lease_owner=None,
            lease_expires_at=None,
        )
        .returning(col(Generation.id))
    )
    failed = list(session.execute(statement).scalars())
    settle(session, failed, JobState.FAILED, error_code=error.code, error_message=error.detail)
    return failed


def settle(
    session: Session, generation_ids: Collection[UUID], state: JobState, **values: Any
) -> None:
    """Move every open job of these generations to a final state."""
    if generation_ids:
        settle_jobs(session, [among(Job.generation_id, generation_ids)], state, **values)


def settle_jobs(
    session: Session, where: Collection[Any], state: JobState, **values: Any
) -> list[UUID]:
    """Move the open jobs that match to a final state, and count their batches down.

    Returns:
        The ids of the jobs that changed.
    """
    statement = (
        change(Job, state).where(*where).values(**values).returning(col(Job.id), col(Job.batch_id))
    )
    changed = session.execute(statement).all()
    finished = Counter(batch_id for _, batch_id in changed if batch_id)
    # By ascending id, so that two workers that finish jobs of the same batches do not deadlock.
    for batch_id in sorted(finished):
        session.execute(
            update(Batch)
            .where(col(Batch.id) == batch_id)
            .values(open_jobs=col(Batch.open_jobs) - finished[batch_id])
        )
        session.execute(
            change(Batch, BatchState.COMPLETED).where(
                col(Batch.id) == batch_id, col(Batch.open_jobs) == 0
            )
        )
    return [job_id for job_id, _ in changed]
