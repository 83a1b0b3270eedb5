"""A worker's hold on a generation: claim, renew, hand back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, or_, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.locks import lock_generations
from core.db.models import NO_KEY, Generation, Job
from core.db.models.parameters import SPEC_COLUMNS
from core.db.models.transitions import change
from core.domain.image_spec import ImageSpec
from core.domain.lanes import Lane
from core.domain.photograph_spec import ImageMode
from core.domain.states import GenerationState, JobState, sources_of


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One generation that this worker holds, and the fence that proves it."""

    generation_id: UUID
    owner: str
    attempt: int
    """From 1. After another worker claimed it again, this number no longer matches."""
    claimed_at: datetime
    """By Postgres's clock, which the deadline is compared with; the worker's may be wrong."""
    tenant: str
    fingerprint: str
    bundle_revision: str
    lane: Lane
    """The first of its waiters' lanes; one that only a cancelled job asked for counts no more."""
    deadline_at: datetime | None
    """The latest deadline of its waiters; None when one of them has none."""
    spec: ImageSpec
    api_key_id: UUID = NO_KEY
    """Whose turn it takes among its tenant's keys."""
    approximate_scope: str | None = None
    exact_fingerprint: str | None = None
    channels: Sequence[str] = field(default=(), hash=False)
    """Renditions that whoever asked first wants."""
    job_id: UUID | None = None
    """One of its waiters, for the log."""
    batch_id: UUID | None = None
    """That waiter's batch, if it has one."""

    def fence(self) -> tuple[ColumnElement[bool], ...]:
        """Return the WHERE clauses that only the holder of this claim satisfies."""
        return (
            col(Generation.id) == self.generation_id,
            col(Generation.lease_owner) == self.owner,
            col(Generation.attempts) == self.attempt,
        )


def claim(
    session: Session,
    generation_ids: Collection[UUID],
    *,
    owner: str,
    lease_seconds: float,
    revisions: Collection[str] | None = None,
    without: Collection[ImageMode] = (),
    skip_locked: bool = False,
) -> dict[UUID, Claim]:
    """Take those of these generations that are queued.

    One that is left out is no error: it was finished, cancelled or claimed since its message was
    sent.

    Args:
        session: An open transaction.
        generation_ids: Those that messages came for.
        owner: Who takes them.
        lease_seconds: How long they are its own.
        revisions: Those of the models that the owner has: what was promised from another one is
            left alone. None: whatever comes is taken.
        without: Modes of images that the owner has no room for.
        skip_locked: Leave out what another transaction is changing, instead of waiting: see
            `claimable`.
    """
    free = lock_generations(
        session,
        *_claimable(generation_ids, revisions, without),
        skip_locked=skip_locked,
        joinable=True,
    )
    if not free:
        return {}
    taken = session.execute(
        change(Generation, GenerationState.RUNNING)
        .where(among(Generation.id, free))
        .values(
            lease_owner=owner,
            attempts=col(Generation.attempts) + 1,
            backlog_id=None,
            lease_expires_at=func.now() + timedelta(seconds=lease_seconds),
        )
        .returning(*(col(getattr(Generation, name)) for name in ("id", *_READ)))
    ).mappings()
    rows = {row["id"]: row for row in taken}
    return _claims(session, rows, owner)


def _claims(session: Session, rows: Mapping[UUID, RowMapping], owner: str) -> dict[UUID, Claim]:
    """Start the jobs of generations that were taken, and make claims of them and their rows."""
    waiters = session.execute(
        change(Job, JobState.RUNNING)
        .where(among(Job.generation_id, rows))
        .returning(
            *(col(Job.generation_id), col(Job.deadline_at), col(Job.lane)),
            *(col(Job.id), col(Job.batch_id)),
        )
    )
    deadlines: dict[UUID, list[datetime | None]] = {identity: [] for identity in rows}
    lanes: dict[UUID, list[Lane]] = {identity: [] for identity in rows}
    first: dict[UUID, tuple[UUID, UUID | None]] = {}
    for identity, deadline, lane, job_id, batch_id in waiters:
        deadlines[identity].append(deadline)
        lanes[identity].append(lane)
        first.setdefault(identity, (job_id, batch_id))
    return {
        identity: Claim(
            generation_id=identity,
            owner=owner,
            attempt=row["attempts"],
            claimed_at=row["started_at"],
            deadline_at=_latest(deadlines[identity]),
            lane=_first(lanes[identity], otherwise=row["lane"]),
            job_id=first.get(identity, (None, None))[0],
            batch_id=first.get(identity, (None, None))[1],
            spec=ImageSpec.of(row),
            **{name: row[name] for name in _COPIED},
        )
        for identity, row in rows.items()
    }


def claimable(
    session: Session,
    generation_ids: Collection[UUID],
    revisions: Collection[str] | None = None,
    without: Collection[ImageMode] = (),
) -> set[UUID]:
    """Return those of these generations that wait to be claimed.

    Of what `claim` left out, those are the ones that another transaction was changing: they can be
    asked for again.
    """
    statement = select(col(Generation.id)).where(*_claimable(generation_ids, revisions, without))
    return set(session.execute(statement).scalars())


def put_off_foreign(
    session: Session,
    generation_ids: Collection[UUID],
    *,
    revisions: Collection[str],
    delay_seconds: float,
    without: Collection[ImageMode] = (),
) -> dict[UUID, str]:
    """Postpone those of these generations that want another model: they get messages later.

    So do those of modes that there is no room for.

    They are left alone where they wait in a backlog already: nobody serves their model.

    Args:
        session: An open transaction.
        generation_ids: Those that messages came for.
        revisions: The models that are not another.
        delay_seconds: Until their messages may be sent again.
        without: The modes that there is no room for.

    Returns:
        Their models' revisions.
    """
    foreign = (
        among(Generation.id, generation_ids),
        col(Generation.state) == GenerationState.QUEUED,
        or_(
            col(Generation.bundle_revision).notin_(list(revisions)),
            col(Generation.mode).in_(list(without)),
        ),
    )
    wanted = dict(
        session.execute(
            select(col(Generation.id), col(Generation.bundle_revision)).where(*foreign)
        ).all()
    )
    if wanted:
        # What is locked is being set aside, sent or cancelled this moment.
        waiting = lock_generations(
            session,
            *foreign,
            col(Generation.backlog_id).is_(None),
            skip_locked=True,
            joinable=True,
        )
        session.execute(
            update(Generation)
            .where(among(Generation.id, waiting))
            .values(published_at=None, not_before=func.now() + timedelta(seconds=delay_seconds))
        )
    return wanted


def _claimable(
    generation_ids: Collection[UUID],
    revisions: Collection[str] | None,
    without: Collection[ImageMode],
) -> tuple[ColumnElement[bool], ...]:
    ours = () if revisions is None else (col(Generation.bundle_revision).in_(list(revisions)),)
    return (
        *ours,
        *((col(Generation.mode).notin_(list(without)),) if without else ()),
        among(Generation.id, generation_ids),
        col(Generation.state).in_(sources_of(GenerationState.RUNNING)),
        or_(col(Generation.not_before).is_(None), col(Generation.not_before) <= func.now()),
    )


def _latest(deadlines: Sequence[datetime | None]) -> datetime | None:
    """Return the moment until which somebody waits; None: for ever."""
    known = [deadline for deadline in deadlines if deadline is not None]
    return max(known) if known and len(known) == len(deadlines) else None


def _first(lanes: Sequence[Lane], *, otherwise: Lane) -> Lane:
    """Return the lane of these that is served first."""
    return min(lanes, key=list(Lane).index, default=otherwise)


_OWN = {
    *("generation_id", "owner", "attempt", "claimed_at", "deadline_at", "lane"),
    *("job_id", "batch_id", "spec"),
}
_COPIED = tuple(name for name in Claim.__dataclass_fields__ if name not in _OWN)
_READ = ("attempts", "started_at", "lane", *_COPIED, *SPEC_COLUMNS)
