"""Submit image requests: serve from store, attach to an in-flight generation, or queue."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session

from core.db.bulk_insert import insert_rows
from core.db.clock import transaction_time
from core.db.connections import allow_long_statements
from core.db.models import Batch, Job
from core.db.models.columns import new_id
from core.domain.cache_mode import CacheMode
from core.domain.image_request import ImageRequest
from core.domain.lanes import Lane
from core.domain.states import BatchState, CacheOutcome, JobState
from core.lifecycle.deduplication import FOR_EVER, Answers, in_flight, raise_lanes
from core.lifecycle.queueing import Item, Queue, Request
from core.webhooks import events
from core.webhooks.events import BatchChange, JobChange


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What became of the wanted images."""

    job_ids: Sequence[UUID]
    """In the order of the wanted images."""
    published: Sequence[tuple[UUID, Lane]]
    """Generations that are new, or moved to this lane: publish them after the commit. Of many new
    ones only the first; the housekeeping sends the others in their turn."""
    outcomes: Mapping[CacheOutcome, int]
    """What served how many of them."""
    uses: Mapping[UUID, int]
    """How many each stored image answered, by its id."""
    steps_saved: int = 0
    """UNet steps of the images that were answered from store."""
    seconds_saved: float = 0.0
    """What computing those took, as far as known."""


# Not frozen: a sheet makes a hundred thousand of them, three times as quickly.
@dataclass(kw_only=True)
class _NewJob:
    """A job's columns, beside those that say what is wanted: see `ImageRequest.job`."""

    id: UUID
    tenant: str
    api_key_id: UUID | None
    batch_id: UUID | None
    generation_id: UUID | None
    image_id: UUID | None
    position: int
    fingerprint: str
    lane: Lane
    state: JobState
    cache: CacheOutcome
    finished_at: datetime | None


def submit(
    session: Session,
    wanted: Sequence[ImageRequest],
    *,
    tenant: str,
    lane: Lane,
    batch: Batch | None = None,
    cache: CacheMode = CacheMode.USE,
    ttl_seconds: float = FOR_EVER,
    publishes: int | None = None,
    api_key_id: UUID | None = None,
    require_approval: bool = False,
) -> Submission:
    """Insert one job per wanted image, and one generation per image that nobody makes yet.

    Args:
        session: An open transaction.
        wanted: The images, in the order of the sheet; each is made by its model.
        tenant: Whose they are; nothing of another tenant is looked at.
        lane: Queue of the new generations; what is joined moves to it from a later one.
        batch: The sheet, not yet added to the session; its counters are set here.
        cache: Whether stored images and running work may answer.
        ttl_seconds: The age, in seconds, from which a stored image answers no more.
        publishes: How many new generations the caller publishes at most; None: all of them.
        api_key_id: Whose request it is.
        require_approval: Whether the images are given out only when somebody approved them.
    """
    if batch:
        batch.require_approval = require_approval
        allow_long_statements(session)
    request = Request(
        session=session,
        tenant=tenant,
        lane=lane,
        cache=cache,
        publishes=publishes,
        api_key_id=api_key_id,
    )
    items = _join_exact(request, [item_of(request, one, n) for n, one in enumerate(wanted)])
    queue = Queue(request, items)
    answers = queue.answer(ttl_seconds)
    jobs = _jobs(request, items, answers, batch)
    if batch:
        _add_batch(request, batch, jobs)
    gate = {"require_approval": require_approval}
    rows = [
        one.wanted.job(one.exact) | vars(job) | gate for one, job in zip(items, jobs, strict=True)
    ]
    insert_rows(session, Job.__table__, rows)  # type: ignore[attr-defined]
    _record_events(session, items, jobs, batch)
    raised = raise_lanes(session, answers.joined, lane)
    published = [(identity, lane) for identity in (*queue.published(answers), *raised)]
    outcomes = [(job.id, job.cache) for job in jobs]
    return report(items, outcomes, answers, published)


def report(
    items: Sequence[Item],
    outcomes: Sequence[tuple[UUID, CacheOutcome]],
    answers: Answers,
    published: Sequence[tuple[UUID, Lane]],
) -> Submission:
    """Return what became of wanted images.

    Args:
        items: The images.
        outcomes: The job of each, and what served it.
        answers: What answered them.
        published: See `Submission.published`.
    """
    hits = [(one.wanted, answers.images[one.name]) for one in items if one.name in answers.images]
    return Submission(
        job_ids=[job_id for job_id, _ in outcomes],
        published=published,
        outcomes=Counter(outcome for _, outcome in outcomes),
        uses=Counter(stored.image_id for _, stored in hits),
        steps_saved=sum(one.spec.steps for one, _ in hits),
        seconds_saved=sum(stored.seconds or 0.0 for _, stored in hits),
    )


def item_of(request: Request, wanted: ImageRequest, position: int) -> Item:
    """Return a wanted image with what finds it; `position` tells those of one request apart."""
    exact = wanted.fingerprint()
    if request.cache is CacheMode.USE and wanted.approximate:
        digest = wanted.approximate_fingerprint()
        scope = wanted.scope()
        return Item(wanted=wanted, exact=exact, fingerprint=digest, name=digest, scope=scope)
    # What nothing else may answer has a name of its own.
    name = f"{exact}/{position}" if request.cache is CacheMode.BYPASS else exact
    return Item(wanted=wanted, exact=exact, fingerprint=exact, name=name)


def _join_exact(request: Request, items: Sequence[Item]) -> Sequence[Item]:
    """Move those who agree to an approximate image to the making of the exact one."""
    willing = [item.exact for item in items if item.scope is not None]
    if not willing:
        return items
    coming = in_flight(request.session, request.tenant, willing)
    return [
        replace(item, fingerprint=item.exact, name=item.exact, scope=None)
        if item.scope is not None and item.exact in coming
        else item
        for item in items
    ]


def _jobs(
    request: Request, items: Sequence[Item], answers: Answers, batch: Batch | None
) -> list[_NewJob]:
    """Make one job per item: with its image, or with what computes it."""
    now = transaction_time(request.session) if answers.images else None
    fresh = set(answers.created)
    jobs = []
    for position, item in enumerate(items):
        stored = answers.images.get(item.name)
        outcome = CacheOutcome.MISS if item.name in fresh else CacheOutcome.COALESCED
        # The next one that wants the same joins this one.
        fresh.discard(item.name)
        jobs.append(
            _NewJob(
                id=new_id(),
                tenant=request.tenant,
                api_key_id=None if batch else request.api_key_id,
                batch_id=batch.id if batch else None,
                generation_id=answers.generations.get(item.name),
                image_id=stored.image_id if stored else None,
                position=position,
                fingerprint=item.fingerprint,
                lane=request.lane,
                state=JobState.SUCCEEDED if stored else JobState.QUEUED,
                cache=CacheOutcome.EXACT if stored else outcome,
                finished_at=now if stored else None,
            )
        )
    return jobs


def _add_batch(request: Request, batch: Batch, jobs: Sequence[_NewJob]) -> None:
    """Insert the batch with its counters; one that store answered whole is complete at birth."""
    batch.api_key_id = request.api_key_id
    batch.total_jobs = len(jobs)
    batch.open_jobs = sum(job.state is JobState.QUEUED for job in jobs)
    if batch.open_jobs == 0:
        batch.state = BatchState.COMPLETED
        batch.finished_at = func.now()  # type: ignore[assignment]
    request.session.add(batch)
    request.session.flush()


def _record_events(
    session: Session, items: Sequence[Item], jobs: Sequence[_NewJob], batch: Batch | None
) -> None:
    """Record the jobs that have their images already, and a batch that has all of them."""
    answered = [
        JobChange(
            id=job.id,
            tenant=job.tenant,
            batch_id=job.batch_id,
            callback_url=item.wanted.callback_url,
        )
        for item, job in zip(items, jobs, strict=True)
        if job.state is JobState.SUCCEEDED
    ]
    complete = [BatchChange.of(batch)] if batch and batch.state is BatchState.COMPLETED else []
    events.record(session, state=JobState.SUCCEEDED, jobs=answered, batches=complete)
