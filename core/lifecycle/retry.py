"""Failed rows of a batch once more: each joins, is answered from store, or is computed anew."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Uuid, case, func, select, update
from sqlmodel import Session, col

from core.db.arrays import among, values_table
from core.db.connections import allow_long_statements
from core.db.locks import take_advisory_lock
from core.db.models import NO_KEY, Batch, Generation, Job
from core.db.models.columns import new_id
from core.db.models.transitions import reopen
from core.domain.states import BatchState, CacheOutcome, JobState
from core.errors import ConflictError
from core.lifecycle.completion import settle_jobs
from core.lifecycle.deduplication import FOR_EVER, find_or_queue, raise_lanes
from core.lifecycle.queueing import Backlogs, NewGeneration, insert_shared


def failed_jobs(session: Session, batch_id: UUID) -> Sequence[tuple[UUID, UUID]]:
    """Find a batch's failed jobs, each with the generation that failed.

    Until the transaction ends nobody else retries them.
    """
    # Not the batch's row: whoever finishes its images needs that one.
    allow_long_statements(session)
    take_advisory_lock(session, f"retry {batch_id}")
    statement = (
        select(col(Job.id), col(Job.generation_id))
        .where(
            col(Job.batch_id) == batch_id,
            col(Job.state) == JobState.FAILED,
            col(Job.generation_id).is_not(None),
        )
        .order_by(col(Job.position))
    )
    return [(job_id, generation_id) for job_id, generation_id in session.execute(statement)]


def retry_jobs(
    session: Session,
    batch: Batch,
    failed: Sequence[tuple[UUID, UUID]],
    *,
    revisions: Collection[str],
    ttl_seconds: float = FOR_EVER,
    deadline_seconds: float | None = None,
) -> None:
    """Queue failed jobs again, as if they had just come; the housekeeping sends their messages.

    Args:
        session: An open transaction.
        batch: Theirs.
        failed: What `failed_jobs` gave in this transaction.
        revisions: Of the models that there are now.
        ttl_seconds: The age, in seconds, from which a stored image answers no more.
        deadline_seconds: How long they may take from now on; None: as long as it takes.

    Raises:
        ConflictError: The batch was cancelled, or a model that was to make its images was replaced.
    """
    if not failed:
        return
    rows = session.execute(
        select(Generation)
        .where(among(Generation.id, {generation_id for _, generation_id in failed}))
        .order_by(col(Generation.id))
    ).scalars()
    old = {row.id: row for row in rows}
    _require_models(old.values(), revisions)
    images, generations, joined = _resolve(session, batch, old, ttl_seconds)
    jobs_of: dict[UUID, list[UUID]] = {}
    for job_id, generation_id in failed:
        jobs_of.setdefault(generation_id, []).append(job_id)
    _reopen_jobs(session, failed, generations, deadline_seconds)
    _reopen_batch(session, batch, len(failed))
    for generation_id, image_id in images.items():
        settle_jobs(
            session,
            [among(Job.id, jobs_of[generation_id])],
            JobState.SUCCEEDED,
            image_id=image_id,
            cache=CacheOutcome.EXACT,
        )
    # The housekeeping sends their messages.
    raise_lanes(session, joined, batch.lane)


def _require_models(old: Iterable[Generation], revisions: Collection[str]) -> None:
    missing = {row.bundle_revision[:12] for row in old if row.bundle_revision not in revisions}
    if missing:
        raise ConflictError(
            f"These images were to be made by the model bundle {', '.join(sorted(missing))}; this "
            f"server has {', '.join(one[:12] for one in revisions)} now. Send the sheet again."
        )


def _resolve(
    session: Session, batch: Batch, old: Mapping[UUID, Generation], ttl_seconds: float
) -> tuple[Mapping[UUID, UUID], Mapping[UUID, UUID], Sequence[UUID]]:
    """Find or make what answers in the place of each failed generation.

    Returns:
        Images and generations by the failed one's id, and those that were in flight already.
    """
    # What nobody else may join is computed for itself alone, as before.
    alone = _insert(session, batch, [row for row in old.values() if not row.reusable])
    shared = {row.fingerprint: row for row in old.values() if row.reusable}

    def queue(names: Sequence[str]) -> Mapping[str, UUID]:
        made = _insert(session, batch, [shared[name] for name in names])
        return {name: made[shared[name].id] for name in names if shared[name].id in made}

    exact = {name: row.exact_fingerprint or name for name, row in shared.items()}
    answers = find_or_queue(session, batch.tenant, exact, queue, ttl_seconds=ttl_seconds)
    images, generations = {}, dict(alone)
    for row in old.values():
        if row.reusable and row.fingerprint in answers.images:
            images[row.id] = answers.images[row.fingerprint].image_id
        elif row.reusable:
            generations[row.id] = answers.generations[row.fingerprint]
    return images, generations, answers.joined


def _insert(session: Session, batch: Batch, rows: Sequence[Generation]) -> dict[UUID, UUID]:
    """Queue generations like these; return the new ids by the old, of those not in flight."""
    if not rows:
        return {}
    key = batch.api_key_id or NO_KEY
    backlogs = Backlogs(session, lane=batch.lane, tenant=batch.tenant, api_key_id=key)
    ids = {row.id: new_id() for row in rows}
    values = [
        NewGeneration(
            lane=batch.lane,
            tenant=batch.tenant,
            id=ids[row.id],
            # It may have been another's that the batch had joined.
            api_key_id=key,
            backlog_id=backlogs.of(row.bundle_revision),
            fingerprint=row.fingerprint,
            bundle_revision=row.bundle_revision,
            reusable=row.reusable,
            channels=row.channels,
            approximate_scope=row.approximate_scope,
            exact_fingerprint=row.exact_fingerprint,
        ).row(row.spec)
        for row in rows
    ]
    inserted = insert_shared(session, values)
    return {old: new for old, new in ids.items() if new in inserted}


def _reopen_jobs(
    session: Session,
    failed: Sequence[tuple[UUID, UUID]],
    generations: Mapping[UUID, UUID],
    deadline_seconds: float | None,
) -> None:
    given = values_table(
        id=(Uuid(), [job_id for job_id, _ in failed]),
        generation_id=(Uuid(), [generations.get(old) for _, old in failed]),
    )
    deadline = None
    if deadline_seconds is not None:
        deadline = func.now() + timedelta(seconds=deadline_seconds)
    session.execute(
        reopen(Job)
        .where(col(Job.id) == given.c.id)
        .values(
            generation_id=given.c.generation_id,
            deadline_at=deadline,
            started_at=None,
            # What store answered, and lost since then, is made for it now.
            cache=case(
                (col(Job.cache) == CacheOutcome.EXACT, CacheOutcome.MISS), else_=col(Job.cache)
            ),
            error_code=None,
            error_message=None,
        )
    )


def _reopen_batch(session: Session, batch: Batch, jobs: int) -> None:
    session.execute(reopen(Batch).where(col(Batch.id) == batch.id))
    changed = session.execute(
        update(Batch)
        .where(col(Batch.id) == batch.id, col(Batch.state) == BatchState.RUNNING)
        .values(open_jobs=col(Batch.open_jobs) + jobs)
        .returning(col(Batch.id))
    ).first()
    if changed is None:
        raise ConflictError("The batch was cancelled: its rows are not tried again.")
