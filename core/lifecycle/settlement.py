"""The end of a job: its waiters are told, its batch counts down."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Float, Uuid, func, insert, select, update
from sqlmodel import Session, col

from core.errors import PackshotError
from core.lifecycle.claims import Claim
from core.lifecycle.locks import among, array_of
from core.models import Batch, Generation, Image, Job
from core.states import BatchState, GenerationState, JobState, change, sources_of


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A generation whose image is stored."""

    claim: Claim
    image: Image
    """Not yet in the database."""
    seconds: float
    """From the claim to the decoded image."""


def succeed(session: Session, finished: Collection[Finished]) -> set[UUID]:
    """Record images and finish every job that waits for them.

    Returns:
        The generations that are finished by this; for the others the claim was lost: somebody
        else finishes them, and nothing of them was written.
    """
    held = _held(session, [one.claim for one in finished])
    recorded = [one for one in finished if one.claim.generation_id in held]
    if not recorded:
        return set()
    session.execute(
        insert(Image),
        [one.image.model_dump(exclude={"created_at", "last_used_at"}) for one in recorded],
    )
    given = (
        func.unnest(
            array_of(Uuid(), [one.claim.generation_id for one in recorded]),
            array_of(Float(), [one.seconds for one in recorded]),
        )
        .table_valued("id", "seconds")
        .render_derived(name="given")
    )
    session.execute(
        change(Generation, GenerationState.SUCCEEDED)
        .where(col(Generation.id) == given.c.id)
        .values(seconds=given.c.seconds, lease_owner=None, lease_expires_at=None)
    )
    settle_jobs(
        session,
        [
            among(Image.id, [one.image.id for one in recorded]),
            col(Image.generation_id) == col(Job.generation_id),
        ],
        JobState.SUCCEEDED,
        image_id=col(Image.id),
    )
    return held


def _held(session: Session, claims: Collection[Claim]) -> set[UUID]:
    """Lock the generations of those of these claims that still hold."""
    statement = (
        select(col(Generation.id), col(Generation.lease_owner), col(Generation.attempts))
        .where(
            among(Generation.id, [claim.generation_id for claim in claims]),
            col(Generation.state).in_(sources_of(GenerationState.SUCCEEDED)),
        )
        # In the order of core.lifecycle.locks.
        .order_by(col(Generation.id))
        .with_for_update()
    )
    fences = {(claim.generation_id, claim.owner, claim.attempt) for claim in claims}
    return {row.id for row in session.execute(statement) if tuple(row) in fences}


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
