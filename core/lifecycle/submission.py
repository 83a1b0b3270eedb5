"""Submit image requests: serve from store, attach to an in-flight generation, or queue."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session

from core.db.arrays import among
from core.db.bulk_insert import insert_new, insert_rows
from core.db.models import NO_KEY, Batch, Generation, Job
from core.db.models.columns import new_id
from core.domain.cache_mode import CacheMode
from core.domain.image_request import ImageRequest
from core.domain.lanes import Lane
from core.domain.states import BatchState, CacheOutcome, GenerationState, JobState
from core.lifecycle.backlogs import open_backlog
from core.lifecycle.deduplication import FOR_EVER, Answers, find_or_queue, in_flight, raise_lanes
from core.pictures.formats import ORIGINAL
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


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What all wanted images of one call have in common."""

    session: Session
    tenant: str
    lane: Lane
    bundle_revision: str
    cache: CacheMode
    publishes: int | None
    api_key_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class _Item:
    """One wanted image, and by what it is found."""

    wanted: ImageRequest
    exact: str
    """Its fingerprint when it is computed from the first step on."""
    fingerprint: str
    name: str
    """What equal ones share; the fingerprint, except where nothing may be shared."""
    scope: str | None = None
    """Of an image that may begin with another's latents: see `ImageRequest.scope`."""


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


@dataclass(kw_only=True)
class _NewGeneration:
    """A generation's columns, beside its parameters: see `ImageSpec`."""

    id: UUID
    tenant: str
    api_key_id: UUID
    fingerprint: str
    bundle_revision: str
    lane: Lane
    reusable: bool
    channels: Sequence[str]
    approximate_scope: str | None
    exact_fingerprint: str | None
    backlog_id: UUID | None
    state: GenerationState = GenerationState.QUEUED
    attempts: int = 0


def submit(
    session: Session,
    wanted: Sequence[ImageRequest],
    *,
    tenant: str,
    lane: Lane,
    bundle_revision: str,
    batch: Batch | None = None,
    cache: CacheMode = CacheMode.USE,
    ttl_seconds: float = FOR_EVER,
    publishes: int | None = None,
    api_key_id: UUID | None = None,
) -> Submission:
    """Insert one job per wanted image, and one generation per image that nobody makes yet.

    Args:
        session: An open transaction.
        wanted: The images, in the order of the sheet.
        tenant: Whose they are; nothing of another tenant is looked at.
        lane: Queue of the new generations; what is joined moves to it from a later one.
        bundle_revision: The model that makes them.
        batch: The sheet, not yet added to the session; its counters are set here.
        cache: Whether stored images and running work may answer.
        ttl_seconds: The age, in seconds, from which a stored image answers no more.
        publishes: How many new generations the caller publishes at most; None: all of them.
        api_key_id: Whose request it is.
    """
    request = _Request(
        session=session,
        tenant=tenant,
        lane=lane,
        bundle_revision=bundle_revision,
        cache=cache,
        publishes=publishes,
        api_key_id=api_key_id,
    )
    items = _join_exact(request, [_item(request, one, n) for n, one in enumerate(wanted)])
    queue = _Queue(request, items)
    if cache is CacheMode.BYPASS:
        answers = queue.insert_all()
    else:
        ttl = ttl_seconds if cache is CacheMode.USE else None
        answers = find_or_queue(session, tenant, queue.exact(), queue.insert, ttl_seconds=ttl)
    jobs = _jobs(request, items, answers, batch)
    if batch:
        _add_batch(request, batch, jobs)
    rows = [one.wanted.job(one.exact) | vars(job) for one, job in zip(items, jobs, strict=True)]
    insert_rows(session, Job.__table__, rows)  # type: ignore[attr-defined]
    _record_events(session, items, jobs, batch)
    raised = raise_lanes(session, answers.joined, lane)
    published = [answers.generations[name] for name in answers.created if name not in queue.later]
    hits = [(one.wanted, answers.images[one.name]) for one in items if one.name in answers.images]
    return Submission(
        job_ids=[job.id for job in jobs],
        published=[(identity, lane) for identity in (*published, *raised)],
        outcomes=Counter(job.cache for job in jobs),
        uses=Counter(stored.image_id for _, stored in hits),
        steps_saved=sum(one.spec.steps for one, _ in hits),
        seconds_saved=sum(stored.seconds or 0.0 for _, stored in hits),
    )


def _item(request: _Request, wanted: ImageRequest, position: int) -> _Item:
    exact = wanted.fingerprint(request.bundle_revision)
    if request.cache is CacheMode.USE and wanted.approximate:
        digest = wanted.approximate_fingerprint(request.bundle_revision)
        scope = wanted.scope(request.bundle_revision)
        return _Item(wanted=wanted, exact=exact, fingerprint=digest, name=digest, scope=scope)
    # What nothing else may answer has a name of its own.
    name = f"{exact}/{position}" if request.cache is CacheMode.BYPASS else exact
    return _Item(wanted=wanted, exact=exact, fingerprint=exact, name=name)


def _join_exact(request: _Request, items: Sequence[_Item]) -> Sequence[_Item]:
    """Let those who agree to an approximate image join the making of the exact one."""
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


class _Queue:
    """Inserts the generations of one request."""

    def __init__(self, request: _Request, items: Sequence[_Item]) -> None:
        self._request = request
        self._first: dict[str, _Item] = {}
        for item in items:
            self._first.setdefault(item.name, item)
        self.later: set[str] = set()
        """Names of those whose messages the housekeeping sends, and not the caller."""

    def exact(self) -> Mapping[str, str]:
        """Return the exact image's fingerprint of each name."""
        return {name: item.exact for name, item in self._first.items()}

    def insert_all(self) -> Answers:
        """Queue everything, each for itself alone."""
        ids = {name: new_id() for name in self._first}
        rows = self._rows(ids)
        insert_rows(self._request.session, Generation.__table__, rows)  # type: ignore[attr-defined]
        return Answers(generations=ids, created=list(ids))

    def insert(self, names: Sequence[str]) -> Mapping[str, UUID]:
        """Queue what nobody computes yet; what is in flight already is left alone."""
        # Ids ascend in the sheet's order, in which the sweeper publishes.
        ids = {name: new_id() for name in names}
        # Sorted: two sheets with the same products in another order must not deadlock.
        rows = sorted(self._rows(ids), key=itemgetter("fingerprint"))
        table = Generation.__table__  # type: ignore[attr-defined]
        if insert_new(self._request.session, table, rows) == len(rows):
            return ids
        # Not RETURNING: one statement for many rows takes psycopg four times as long to read.
        made = select(table.c.fingerprint, table.c.id).where(among(table.c.id, list(ids.values())))
        return dict(self._request.session.execute(made).all())

    def _rows(self, ids: Mapping[str, UUID]) -> list[dict[str, Any]]:
        request, names = self._request, list(ids)
        later = set() if request.publishes is None else set(names[request.publishes :])
        self.later |= later
        key = request.api_key_id or NO_KEY
        backlog = None
        if later:
            backlog = open_backlog(
                request.session,
                lane=request.lane,
                tenant=request.tenant,
                api_key_id=key,
                bundle_revision=request.bundle_revision,
            )
        rows = []
        for name in names:
            item = self._first[name]
            new = _NewGeneration(
                id=ids[name],
                tenant=request.tenant,
                api_key_id=key,
                fingerprint=item.fingerprint,
                bundle_revision=request.bundle_revision,
                lane=request.lane,
                reusable=request.cache is not CacheMode.BYPASS,
                channels=[name for name in item.wanted.files if name != ORIGINAL],
                approximate_scope=item.scope,
                exact_fingerprint=item.exact if item.scope else None,
                backlog_id=backlog if name in later else None,
            )
            rows.append(item.wanted.decided(item.exact).document() | vars(new))
        return rows


def _jobs(
    request: _Request, items: Sequence[_Item], answers: Answers, batch: Batch | None
) -> list[_NewJob]:
    """Make one job per item: with its image, or with what computes it."""
    now = request.session.execute(select(func.now())).scalar_one() if answers.images else None
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


def _add_batch(request: _Request, batch: Batch, jobs: Sequence[_NewJob]) -> None:
    """Insert the batch with its counters; one that store answered whole is complete at birth."""
    batch.api_key_id, batch.bundle_revision = request.api_key_id, request.bundle_revision
    batch.total_jobs = len(jobs)
    batch.open_jobs = sum(job.state is JobState.QUEUED for job in jobs)
    if batch.open_jobs == 0:
        batch.state = BatchState.COMPLETED
        batch.finished_at = func.now()  # type: ignore[assignment]
    request.session.add(batch)
    request.session.flush()


def _record_events(
    session: Session, items: Sequence[_Item], jobs: Sequence[_NewJob], batch: Batch | None
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
