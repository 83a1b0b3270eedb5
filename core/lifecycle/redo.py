"""Images made again: beside one that somebody did not like comes another of the same place.

The jobs of a place of a sheet share a `slot`: `core.lifecycle.approval` says which one is shown.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.bulk_insert import insert_rows
from core.db.connections import allow_long_statements
from core.db.models import Batch, Job
from core.db.models.columns import new_id
from core.db.models.transitions import reopen
from core.domain.approval import Approval
from core.domain.cache_mode import CacheMode
from core.domain.image_request import ImageRequest
from core.domain.states import OPEN_JOB, BatchState, CacheOutcome, JobState
from core.errors import ConflictError
from core.lifecycle.approval import shown
from core.lifecycle.completion import settle_jobs
from core.lifecycle.deduplication import FOR_EVER, Answers, raise_lanes
from core.lifecycle.erasure import visible
from core.lifecycle.queueing import Item, Queue, Request
from core.lifecycle.submission import Submission, item_of, report


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A job, and all that were made for its place."""

    job: Job
    jobs: Sequence[Job]
    """It is one of them."""

    def check(self) -> None:
        """Check that another image may be made for the place.

        Raises:
            ConflictError: The job's image is not there yet, or one of the place is approved.
        """
        if self.job.state in OPEN_JOB:
            raise ConflictError(
                f"The job is {self.job.state.value}: wait for its image, or cancel it.",
                state=self.job.state.value,
            )
        approved = [one for one in self.jobs if one.approval is Approval.APPROVED]
        if approved:
            raise ConflictError(
                f"{approved[0].judged_by} has approved the image of job {approved[0].id}: take "
                "that back before another one is made in its place."
            )


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """What is made in place of a job's image."""

    replaced: Job
    wanted: ImageRequest


def rejected_jobs(session: Session, batch_id: UUID) -> Sequence[UUID]:
    """Find the jobs of a batch that show a rejected image: nothing was made in its place yet."""
    statement = (
        select(col(Job.id))
        .where(
            col(Job.batch_id) == batch_id,
            col(Job.state) == JobState.SUCCEEDED,
            col(Job.approval) == Approval.REJECTED,
            shown(),
        )
        .order_by(col(Job.position))
    )
    return session.execute(statement).scalars().all()


def lock_slots(session: Session, tenant: str, job_ids: Collection[UUID]) -> Mapping[UUID, Slot]:
    """Find the slots of jobs; until the transaction ends nobody judges what is in them.

    Those that are not finished are not locked: whoever finishes them needs them.

    Returns:
        By job, in their order in the sheet; those that are not there any more are missing.
    """
    allow_long_statements(session)
    slots = select(col(Job.slot)).where(among(Job.id, job_ids), col(Job.slot).is_not(None))
    theirs = or_(among(Job.id, job_ids), col(Job.slot).in_(slots))
    mine = (theirs, col(Job.tenant) == tenant, visible(Job.batch_id))
    # In the order in which judgements lock them.
    ended = select(col(Job.id)).where(*mine, col(Job.state).not_in(OPEN_JOB)).order_by(col(Job.id))
    session.execute(ended.with_for_update(key_share=True))
    # Anew: what somebody else has made again meanwhile is here now.
    found = select(Job).where(*mine).order_by(col(Job.position), col(Job.id))
    rows = session.execute(found.execution_options(populate_existing=True)).scalars().all()
    by_slot: dict[UUID, list[Job]] = defaultdict(list)
    for row in rows:
        by_slot[row.slot or row.id].append(row)
    named = set(job_ids)
    return {
        row.id: Slot(job=row, jobs=by_slot[row.slot or row.id]) for row in rows if row.id in named
    }


def redo(
    session: Session,
    replacements: Sequence[Replacement],
    *,
    batch: Batch | None,
    cache: CacheMode = CacheMode.USE,
    ttl_seconds: float = FOR_EVER,
    publishes: int | None = None,
    api_key_id: UUID | None = None,
) -> Submission:
    """Insert a job beside each replaced one, as if it had just come.

    Args:
        session: An open transaction, in which `lock_slots` found what is replaced.
        replacements: Of one batch, or of one job without one.
        batch: Theirs.
        cache: Whether stored images and running work may answer.
        ttl_seconds: The age, in seconds, from which a stored image answers no more.
        publishes: How many new generations the caller publishes at most; None: all of them.
        api_key_id: Whose images they are.

    Raises:
        ConflictError: The batch was cancelled.
    """
    if not replacements:
        return Submission(job_ids=[], published=[], outcomes={}, uses={})
    first = replacements[0].replaced
    request = Request(
        session=session,
        tenant=first.tenant,
        lane=first.lane,
        cache=cache,
        publishes=publishes,
        api_key_id=api_key_id,
    )
    items = [item_of(request, one.wanted, n) for n, one in enumerate(replacements)]
    queue = Queue(request, items)
    answers = queue.answer(ttl_seconds)
    rows = _rows(request, replacements, items, answers)
    insert_rows(session, Job.__table__, rows)  # type: ignore[attr-defined]
    _open_slots(session, [one.replaced.id for one in replacements])
    if batch:
        _extend(session, batch.id, len(rows))
    _answer_from_store(session, items, rows, answers)
    raised = raise_lanes(session, answers.joined, first.lane)
    published = [(identity, first.lane) for identity in (*queue.published(answers), *raised)]
    outcomes = [(row["id"], row["cache"]) for row in rows]
    return report(items, outcomes, answers, published)


def _rows(
    request: Request,
    replacements: Sequence[Replacement],
    items: Sequence[Item],
    answers: Answers,
) -> list[dict[str, Any]]:
    """Make the columns of one job per replacement, queued all of them."""
    fresh, rows = set(answers.created), []
    for one, item in zip(replacements, items, strict=True):
        replaced = one.replaced
        outcome = CacheOutcome.MISS if item.name in fresh else CacheOutcome.COALESCED
        # The next one that wants the same joins this one.
        fresh.discard(item.name)
        rows.append(
            item.wanted.job(item.exact)
            | {
                "id": new_id(),
                "tenant": replaced.tenant,
                "api_key_id": None if replaced.batch_id else request.api_key_id,
                "batch_id": replaced.batch_id,
                "generation_id": answers.generations.get(item.name),
                "position": replaced.position,
                "fingerprint": item.fingerprint,
                "lane": replaced.lane,
                "state": JobState.QUEUED,
                "cache": outcome,
                "require_approval": replaced.require_approval,
                "slot": replaced.slot or replaced.id,
                "replaces": replaced.id,
            }
        )
    return rows


def _open_slots(session: Session, job_ids: Collection[UUID]) -> None:
    session.execute(
        update(Job).where(among(Job.id, job_ids), col(Job.slot).is_(None)).values(slot=col(Job.id))
    )


def _extend(session: Session, batch_id: UUID, jobs: int) -> None:
    session.execute(reopen(Batch).where(col(Batch.id) == batch_id))
    changed = session.execute(
        update(Batch)
        .where(col(Batch.id) == batch_id, col(Batch.state) == BatchState.RUNNING)
        .values(
            total_jobs=col(Batch.total_jobs) + jobs,
            open_jobs=col(Batch.open_jobs) + jobs,
        )
        .returning(col(Batch.id))
    ).first()
    if changed is None:
        raise ConflictError(
            "The batch was cancelled: nothing of it is made again. Send its rows in a new sheet."
        )


def _answer_from_store(
    session: Session, items: Sequence[Item], rows: Sequence[dict[str, Any]], answers: Answers
) -> None:
    waiting: dict[UUID, list[UUID]] = defaultdict(list)
    for item, row in zip(items, rows, strict=True):
        if item.name in answers.images:
            row["cache"] = CacheOutcome.EXACT
            waiting[answers.images[item.name].image_id].append(row["id"])
    for image_id, job_ids in waiting.items():
        settle_jobs(
            session,
            [among(Job.id, job_ids)],
            JobState.SUCCEEDED,
            image_id=image_id,
            cache=CacheOutcome.EXACT,
        )
