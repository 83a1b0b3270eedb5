"""The end of a job: its waiters are told, its batch counts down, listeners get an event."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Float, String, Uuid, func, insert, select, update
from sqlmodel import Session, col

from core.db.arrays import among, values_table
from core.db.locks import lock_generations
from core.db.models import Batch, Generation, Image, Job
from core.db.models.transitions import change
from core.domain.approximation import Approximation
from core.domain.states import BatchState, CacheOutcome, GenerationState, JobState, sources_of
from core.errors import PackshotError
from core.lifecycle.claims import Claim
from core.webhooks import events
from core.webhooks.events import BatchChange, JobChange


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A generation whose image is stored."""

    claim: Claim
    image: Image
    """Not yet in the database."""
    seconds: float
    """What computing it took: its share of every model call that it was in."""
    approximation: Approximation | None = None
    """What it began with, if not with noise."""


def succeed(
    session: Session, finished: Collection[Finished], *, skip_locked: bool = False
) -> dict[UUID, int]:
    """Record images and finish every job that waits for them.

    Args:
        session: An open transaction.
        finished: Images that are stored.
        skip_locked: Leave out what another transaction is changing or joining, instead of waiting:
            its claim still holds then (`core.lifecycle.holds.holding`).

    Returns:
        How many jobs got the image, by the generation that is finished by this; for the others
        the claim was lost: somebody else finishes them, and nothing of them was written.
    """
    held = _held(session, [one.claim for one in finished], skip_locked=skip_locked)
    recorded = [one for one in finished if one.claim.generation_id in held]
    if not recorded:
        return {}
    _insert_images(session, recorded, held)
    given = values_table(
        id=(Uuid(), [one.claim.generation_id for one in recorded]),
        seconds=(Float(), [one.seconds for one in recorded]),
    )
    session.execute(
        change(Generation, GenerationState.SUCCEEDED)
        .where(col(Generation.id) == given.c.id)
        .values(seconds=given.c.seconds, lease_owner=None, lease_expires_at=None)
    )
    _note_approximations(session, recorded)
    settled = settle_jobs(
        session,
        [
            among(Image.id, [one.image.id for one in recorded]),
            col(Image.generation_id) == col(Job.generation_id),
        ],
        JobState.SUCCEEDED,
        image_id=col(Image.id),
    )
    waiters = Counter(generation_id for _, generation_id in settled)
    return {identity: waiters[identity] for identity in held}


def record_drawn(session: Session, finished: Finished) -> None:
    """Record a stored image that no job asked for by itself: whoever asks next finds it.

    Args:
        session: An open transaction.
        finished: It; its claim is of a generation that is not there yet.
    """
    claim = finished.claim
    row = Generation(
        **claim.spec.document(),
        id=claim.generation_id,
        tenant=claim.tenant,
        api_key_id=claim.api_key_id,
        fingerprint=claim.fingerprint,
        bundle_revision=claim.bundle_revision,
        lane=claim.lane,
        state=GenerationState.SUCCEEDED,
        attempts=claim.attempt,
        seconds=finished.seconds,
    )
    row.started_at = func.now() - timedelta(seconds=finished.seconds)  # type: ignore[assignment]
    row.finished_at = func.now()  # type: ignore[assignment]
    session.add(row)
    session.flush()
    _insert_images(session, [finished], {claim.generation_id: True})


def _insert_images(
    session: Session, recorded: Collection[Finished], reusable: Mapping[UUID, bool]
) -> None:
    """Insert images; of one thing, the newest alone answers further requests."""
    newest = {
        (one.image.tenant, one.image.fingerprint): one.image.id
        for one in recorded
        if reusable[one.claim.generation_id]
    }
    given = values_table(
        tenant=(String(), [tenant for tenant, _ in newest]),
        fingerprint=(String(), [fingerprint for _, fingerprint in newest]),
    )
    session.execute(
        update(Image)
        .where(
            col(Image.reusable),
            col(Image.tenant) == given.c.tenant,
            col(Image.fingerprint) == given.c.fingerprint,
        )
        .values(reusable=False)
    )
    answering = set(newest.values())
    session.execute(
        insert(Image),
        [
            one.image.model_dump(exclude={"created_at", "last_used_at"})
            | {"reusable": one.image.id in answering}
            for one in recorded
        ],
    )


def _note_approximations(session: Session, recorded: Collection[Finished]) -> None:
    """Write what images began with, and tell the jobs that they were computed for."""
    approximate = {
        one.claim.generation_id: one.approximation.document()
        for one in recorded
        if one.approximation is not None
    }
    for generation_id, document in approximate.items():
        session.execute(
            update(Generation)
            .where(col(Generation.id) == generation_id)
            .values(approximation=document)
        )
    if approximate:
        session.execute(
            update(Job)
            .where(among(Job.generation_id, approximate), col(Job.cache) == CacheOutcome.MISS)
            .values(cache=CacheOutcome.APPROXIMATE)
        )


def _held(session: Session, claims: Collection[Claim], *, skip_locked: bool) -> dict[UUID, bool]:
    """Lock the generations of those of these claims that still hold.

    Returns:
        By their ids, whether their images may answer further requests.
    """
    statement = (
        select(
            col(Generation.id),
            col(Generation.lease_owner),
            col(Generation.attempts),
            col(Generation.reusable),
        )
        .where(
            among(Generation.id, [claim.generation_id for claim in claims]),
            col(Generation.state).in_(sources_of(GenerationState.SUCCEEDED)),
        )
        # In the order of core.db.locks.
        .order_by(col(Generation.id))
        .with_for_update(skip_locked=skip_locked)
    )
    fences = {(claim.generation_id, claim.owner, claim.attempt) for claim in claims}
    return {row[0]: row.reusable for row in session.execute(statement) if row[:3] in fences}


def fail(session: Session, claim: Claim, error: PackshotError) -> bool:
    """Fail a generation for good, and every job that waits for it.

    Returns:
        False when the claim was lost, and nothing was written.
    """
    return bool(fail_where(session, claim.fence(), error))


def fail_where(session: Session, where: Collection[Any], error: PackshotError) -> list[UUID]:
    """Fail the generations that match for good, and the jobs that wait for them."""
    # An UPDATE alone does not wait for requests that are joining, whose jobs nobody would finish.
    locked = lock_generations(session, *where)
    statement = (
        change(Generation, GenerationState.FAILED)
        .where(among(Generation.id, locked))
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
) -> list[tuple[UUID, UUID | None]]:
    """Move the open jobs that match to a final state, count their batches down, and tell of it.

    Returns:
        The ids of the jobs that changed, each with its generation's.
    """
    statement = (
        change(Job, state)
        .where(*where)
        .values(**values)
        .returning(*JobChange.columns(Job), col(Job.generation_id))
    )
    changed = session.execute(statement).all()
    batches = _count_down(session, Counter(row.batch_id for row in changed if row.batch_id))
    events.record(
        session, state=state, jobs=[JobChange.of(row) for row in changed], batches=batches
    )
    return [(row.id, row.generation_id) for row in changed]


def _count_down(session: Session, finished: Mapping[UUID, int]) -> list[BatchChange]:
    """Take finished jobs off their batches, and complete those that have no more."""
    batches = []
    # By ascending id, so that two workers that finish jobs of the same batches do not deadlock.
    for batch_id in sorted(finished):
        row = session.execute(
            update(Batch)
            .where(col(Batch.id) == batch_id)
            .values(open_jobs=col(Batch.open_jobs) - finished[batch_id])
            .returning(*BatchChange.columns(Batch))
        ).one()
        told = BatchChange.of(row)
        if told.open_jobs == 0:
            completed = session.execute(
                change(Batch, BatchState.COMPLETED)
                .where(col(Batch.id) == batch_id)
                .returning(col(Batch.state))
            ).first()
            if completed is not None:
                told = replace(told, state=BatchState.COMPLETED)
        if told.state is not BatchState.CANCELED:
            batches.append(told)
    return batches
