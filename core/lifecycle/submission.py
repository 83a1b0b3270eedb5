"""Wanted images in: each is answered from store, joined to running work, or queued."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import delete as sql_delete
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
from core.lifecycle.lookup import (
    FOR_EVER,
    Stored,
    find_stored,
    in_flight,
    join_in_flight,
    raise_lanes,
)
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
class _Order:
    """What all wanted images of one call have in common."""

    session: Session
    tenant: str
    lane: Lane
    bundle_revision: str
    cache: CacheMode
    ttl_seconds: float
    publishes: int | None
    api_key_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class _Place:
    """One wanted image, and by what it is found."""

    wanted: ImageRequest
    exact: str
    """Its fingerprint when it is computed from the first step on."""
    fingerprint: str
    name: str
    """What equal ones share; the fingerprint, except where nothing may be shared."""
    scope: str | None = None
    """Of an image that may begin with another's latents: see `ImageRequest.scope`."""


@dataclass(kw_only=True)
class _Answers:
    """What answers each fingerprint."""

    images: dict[str, Stored] = field(default_factory=dict)
    generations: dict[str, UUID] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    """Fingerprints of the generations that are new."""
    later: set[str] = field(default_factory=set)
    """Those whose message the housekeeping sends."""
    joined: list[UUID] = field(default_factory=list)
    """Generations of earlier requests."""


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
    order = _Order(
        session=session,
        tenant=tenant,
        lane=lane,
        bundle_revision=bundle_revision,
        cache=cache,
        ttl_seconds=ttl_seconds,
        publishes=publishes,
        api_key_id=api_key_id,
    )
    places = _join_exact(
        order, [_place(order, one, position) for position, one in enumerate(wanted)]
    )
    first: dict[str, _Place] = {}
    for place in places:
        first.setdefault(place.name, place)
    answers = _compute_all(order, first) if cache is CacheMode.BYPASS else _resolve(order, first)

    rows = []
    now = session.execute(select(func.now())).scalar_one() if answers.images else None
    fresh = set(answers.created)
    for position, place in enumerate(places):
        name = place.name
        stored = answers.images.get(name)
        outcome = CacheOutcome.EXACT if stored else CacheOutcome.COALESCED
        if name in fresh:
            fresh.remove(name)
            outcome = CacheOutcome.MISS
        rows.append(
            place.wanted.job(place.exact)
            | {
                "id": new_id(),
                "tenant": tenant,
                "api_key_id": None if batch else api_key_id,
                "batch_id": batch.id if batch else None,
                "generation_id": answers.generations.get(name),
                "image_id": stored.image_id if stored else None,
                "position": position,
                "fingerprint": place.fingerprint,
                "lane": lane,
                "state": JobState.SUCCEEDED if stored else JobState.QUEUED,
                "cache": outcome,
                "finished_at": now if stored else None,
            }
        )
    if batch:
        batch.api_key_id, batch.bundle_revision = api_key_id, bundle_revision
        _add_batch(session, batch, rows)
    insert_rows(session, Job.__table__, rows)  # type: ignore[attr-defined]
    _record_events(session, rows, batch)
    raised = raise_lanes(session, answers.joined, lane)
    hits = [
        (place.wanted, answers.images[place.name])
        for place in places
        if place.name in answers.images
    ]
    return Submission(
        job_ids=[row["id"] for row in rows],
        published=[
            (answers.generations[name], lane)
            for name in answers.created
            if name not in answers.later
        ]
        + [(identity, lane) for identity in raised],
        outcomes=Counter(row["cache"] for row in rows),
        uses=Counter(stored.image_id for _, stored in hits),
        steps_saved=sum(one.spec.steps for one, _ in hits),
        seconds_saved=sum(stored.seconds or 0.0 for _, stored in hits),
    )


def _place(order: _Order, wanted: ImageRequest, position: int) -> _Place:
    exact = wanted.fingerprint(order.bundle_revision)
    if order.cache is CacheMode.USE and wanted.approximate:
        digest = wanted.approximate_fingerprint(order.bundle_revision)
        scope = wanted.scope(order.bundle_revision)
        return _Place(wanted=wanted, exact=exact, fingerprint=digest, name=digest, scope=scope)
    # What nothing else may answer has a name of its own.
    name = f"{exact}/{position}" if order.cache is CacheMode.BYPASS else exact
    return _Place(wanted=wanted, exact=exact, fingerprint=exact, name=name)


def _join_exact(order: _Order, places: Sequence[_Place]) -> Sequence[_Place]:
    """Let those who agree to an approximate image join the making of the exact one."""
    willing = [place.exact for place in places if place.scope is not None]
    if not willing:
        return places
    coming = in_flight(order.session, order.tenant, willing)
    return [
        replace(place, fingerprint=place.exact, name=place.exact, scope=None)
        if place.scope is not None and place.exact in coming
        else place
        for place in places
    ]


def _resolve(order: _Order, first: dict[str, _Place]) -> _Answers:
    """Find or make what answers each fingerprint."""
    answers = _Answers()
    answers.images |= _stored(order, first.values())
    missing = [digest for digest in first if digest not in answers.images]
    while missing:
        answers.later |= _later(order, missing)
        new = _insert_generations(order, missing, first)
        # A generation that finished between the look-up and the insert left its image behind.
        finished = _stored(order, [first[digest] for digest in new])
        if finished:
            discarded = [new.pop(digest) for digest in finished]
            order.session.execute(sql_delete(Generation).where(among(Generation.id, discarded)))
        others = [digest for digest in missing if digest not in new]
        joined = join_in_flight(order.session, order.tenant, others)
        answers.images |= finished
        answers.generations |= new | joined
        answers.joined += joined.values()
        # In the sheet's order, which ON CONFLICT does not keep.
        answers.created += [digest for digest in missing if digest in new]
        missing = [d for d in missing if d not in answers.generations and d not in answers.images]
        # What was running a moment ago and is not now has ended: look again.
        answers.images |= _stored(order, [first[digest] for digest in missing])
        missing = [digest for digest in missing if digest not in answers.images]
    return answers


def _stored(order: _Order, places: Iterable[_Place]) -> dict[str, Stored]:
    """Find the stored image of each, by name, if stored images may answer."""
    if order.cache is not CacheMode.USE:
        return {}
    names = {place.name: place.exact for place in places}
    digests = names.keys() | names.values()
    found = find_stored(order.session, order.tenant, digests, ttl_seconds=order.ttl_seconds)
    # Who agrees to an approximate image is glad of an exact one.
    return {
        name: found.get(exact) or found[name]
        for name, exact in names.items()
        if exact in found or name in found
    }


def _compute_all(order: _Order, first: dict[str, _Place]) -> _Answers:
    """Queue everything, each for itself alone."""
    ids = {name: new_id() for name in first}
    rows = _generations(order, list(first), first, ids)
    insert_rows(order.session, Generation.__table__, rows)  # type: ignore[attr-defined]
    return _Answers(generations=dict(ids), created=list(first), later=_later(order, list(first)))


def _insert_generations(
    order: _Order, digests: Sequence[str], first: dict[str, _Place]
) -> dict[str, UUID]:
    """Queue what nobody computes yet; what is in flight already is left alone."""
    # Ids ascend in the sheet's order, in which the sweeper publishes.
    ids = {digest: new_id() for digest in digests}
    # Sorted: two sheets with the same products in another order must not deadlock.
    rows = sorted(_generations(order, digests, first, ids), key=itemgetter("fingerprint"))
    table = Generation.__table__  # type: ignore[attr-defined]
    if insert_new(order.session, table, rows) == len(rows):
        return ids
    # Not RETURNING: one statement for many rows takes psycopg four times as long to read.
    made = select(table.c.fingerprint, table.c.id).where(among(table.c.id, list(ids.values())))
    return dict(order.session.execute(made).all())


def _later(order: _Order, names: Sequence[str]) -> set[str]:
    """Choose the new generations whose messages the caller does not send."""
    return set() if order.publishes is None else set(names[order.publishes :])


def _generations(
    order: _Order, names: Sequence[str], first: dict[str, _Place], ids: Mapping[str, UUID]
) -> list[dict[str, Any]]:
    """Make the rows of new generations; those that the housekeeping is to send are a backlog."""
    later = _later(order, names)
    backlog = _backlog(order) if later else None
    return [
        _generation(order, first[name], ids[name])
        | {"backlog_id": backlog if name in later else None}
        for name in names
    ]


def _backlog(order: _Order) -> UUID:
    return open_backlog(
        order.session,
        lane=order.lane,
        tenant=order.tenant,
        api_key_id=order.api_key_id or NO_KEY,
        bundle_revision=order.bundle_revision,
    )


def _generation(order: _Order, place: _Place, identity: UUID) -> dict[str, Any]:
    return place.wanted.decided(place.exact).document() | {
        "id": identity,
        "tenant": order.tenant,
        "api_key_id": order.api_key_id or NO_KEY,
        "fingerprint": place.fingerprint,
        "bundle_revision": order.bundle_revision,
        "lane": order.lane,
        "state": GenerationState.QUEUED,
        "reusable": order.cache is not CacheMode.BYPASS,
        "channels": [name for name in place.wanted.files if name != ORIGINAL],
        "approximate_scope": place.scope,
        "exact_fingerprint": place.exact if place.scope else None,
        "attempts": 0,
    }


def _add_batch(session: Session, batch: Batch, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the batch with its counters; one that store answered whole is complete at birth."""
    batch.total_jobs = len(rows)
    batch.open_jobs = sum(row["state"] == JobState.QUEUED for row in rows)
    if batch.open_jobs == 0:
        batch.state = BatchState.COMPLETED
        batch.finished_at = func.now()  # type: ignore[assignment]
    session.add(batch)
    session.flush()


def _record_events(session: Session, rows: Sequence[dict[str, Any]], batch: Batch | None) -> None:
    """Tell of the jobs that have their images already, and of a batch that has all of them."""
    answered = [
        JobChange(**{name: row[name] for name in ("id", "tenant", "batch_id", "callback_url")})
        for row in rows
        if row["state"] == JobState.SUCCEEDED
    ]
    complete = [BatchChange.of(batch)] if batch and batch.state is BatchState.COMPLETED else []
    events.record(session, state=JobState.SUCCEEDED, jobs=answered, batches=complete)
