"""What the caches did for a tenant's newest jobs, added up from the jobs themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Float, case, cast, func, select
from sqlmodel import Session, col

from core.cache_metrics import Level
from core.db.models import ApproximateEntry, ApproximateLatents, Generation, Image, Job
from core.domain.states import CacheOutcome, JobState

WINDOW = timedelta(days=30)
"""How far back jobs are counted."""
MOST_JOBS = 100_000
"""Most jobs that are counted, the newest: what bounds the cost of counting."""

_SERVED = (
    (Level.RESULT, CacheOutcome.EXACT),
    (Level.IN_FLIGHT, CacheOutcome.COALESCED),
    (Level.APPROXIMATE, CacheOutcome.APPROXIMATE),
)
"""In the order in which the levels are asked."""
_READ = ("cache", "state", "steps", "generation_id", "image_id", "created_at")


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How often, and what it saved."""

    number: int = 0
    steps_saved: float = 0.0
    """UNet steps, of one image each."""
    seconds_saved: float = 0.0
    """Of computing, by the time that the original took."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a cache has in S3."""

    size: int
    """Bytes."""
    entries: int


@dataclass(frozen=True, kw_only=True)
class LevelStats:
    """What one level did for the jobs."""

    level: Level
    hit: Amount
    misses: int | None
    """None: whether it was asked is not in the jobs."""
    stored: Holding | None
    """What lies in S3; None for a level that stores nothing."""


@dataclass(frozen=True, kw_only=True)
class CacheSummary:
    """What the caches did for some jobs."""

    jobs: int
    since: datetime | None
    """When the oldest of them was asked for; None without any."""
    levels: Sequence[LevelStats]


def read(session: Session, *, tenant: str | None = None, most: int = MOST_JOBS) -> CacheSummary:
    """Add up what the caches did for the newest jobs of `WINDOW`.

    Args:
        session: An open transaction.
        tenant: Only this tenant's jobs; None: everybody's.
        most: Jobs that are looked at.
    """
    served, since = _served(session, tenant, most)
    held = stored(session, tenant=tenant)
    jobs = left = sum(amount.number for amount in served.values())
    levels = []
    for level, outcome in _SERVED:
        hit = served.get(outcome, Amount())
        left -= hit.number
        levels.append(
            LevelStats(
                level=level,
                hit=hit,
                misses=None if level is Level.APPROXIMATE else left,
                stored=held.get(level),
            )
        )
    return CacheSummary(jobs=jobs, since=since, levels=levels)


def _served(
    session: Session, tenant: str | None, most: int
) -> tuple[Mapping[CacheOutcome, Amount], datetime | None]:
    newest = (
        select(*(col(getattr(Job, name)) for name in _READ))
        .where(col(Job.id) >= _oldest_id())
        # Ids are UUIDv7, so this is the order of time, and an index's.
        .order_by(col(Job.id).desc())
        .limit(most)
    )
    if tenant is not None:
        newest = newest.where(col(Job.tenant) == tenant)
    job = newest.subquery()
    ended = job.c.state == JobState.SUCCEEDED
    near = job.c.cache == CacheOutcome.APPROXIMATE
    spared = cast(col(Generation.approximation)["steps_spared"].astext, Float)
    steps = case((~ended, 0), (near, spared), else_=job.c.steps)
    seconds = case((~ended, 0), (near, 0), else_=col(Generation.seconds))
    statement = (
        select(
            job.c.cache,
            func.count(),
            func.coalesce(func.sum(steps), 0),
            func.coalesce(func.sum(seconds), 0),
            func.min(job.c.created_at),
        )
        .select_from(job)
        # What a stored image answered at once has no generation of its own.
        .outerjoin(Image, (col(Image.id) == job.c.image_id) & job.c.generation_id.is_(None))
        .outerjoin(
            Generation,
            (col(Generation.id) == func.coalesce(job.c.generation_id, col(Image.generation_id)))
            & (job.c.cache != CacheOutcome.MISS),
        )
        .group_by(job.c.cache)
    )
    served: dict[CacheOutcome, Amount] = {}
    oldest: list[datetime] = []
    for outcome, number, *saved, first in session.execute(statement):
        spares = outcome is not CacheOutcome.MISS
        steps_saved, seconds_saved = saved if spares else (0.0, 0.0)
        served[outcome] = Amount(
            number=number, steps_saved=steps_saved, seconds_saved=seconds_saved
        )
        oldest.append(first)
    return served, min(oldest, default=None)


def _oldest_id() -> UUID:
    """Return the least UUIDv7 (RFC 9562: milliseconds in its first 48 bits) of the window."""
    since = datetime.now(UTC) - WINDOW
    return UUID(int=int(since.timestamp() * 1000) << 80)


def stored(session: Session, *, tenant: str | None = None) -> Mapping[Level, Holding]:
    """Return what each level that stores anything has in S3, of a tenant or of everybody."""
    images = select(func.count(), func.coalesce(func.sum(col(Image.size)), 0)).where(
        col(Image.doomed_at).is_(None)
    )
    latents = select(func.count(), func.coalesce(func.sum(col(ApproximateLatents.size)), 0)).join(
        ApproximateEntry,
        col(ApproximateEntry.generation_id) == col(ApproximateLatents.generation_id),
    )
    if tenant is not None:
        images = images.where(col(Image.tenant) == tenant)
        latents = latents.where(col(ApproximateEntry.tenant) == tenant)
    found = {}
    for level, statement in ((Level.RESULT, images), (Level.APPROXIMATE, latents)):
        entries, size = session.execute(statement).one()
        found[level] = Holding(size=int(size), entries=int(entries))
    return found
