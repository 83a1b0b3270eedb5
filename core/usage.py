"""What each key of a tenant asked for, and what that cost: added up from the jobs themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Float, case, cast, func, select
from sqlmodel import Session, col

from core.db.models import ApiKey, Batch, Generation, Image, Job
from core.domain.states import CacheOutcome, JobState

_COMPUTED = (CacheOutcome.MISS, CacheOutcome.APPROXIMATE)
"""Whoever joins work, or is answered from store, costs nothing more."""
_UNDATED_BITS = 80
"""Of a UUIDv7, behind the milliseconds (RFC 9562, section 5.7)."""


@dataclass(frozen=True, kw_only=True)
class KeyUsage:
    """What came with one key."""

    api_key_id: UUID | None
    """None: of jobs whose key was not kept."""
    name: str
    """The key's; empty too where the key is deleted."""
    jobs: int
    images: int
    """Jobs that got their image."""
    failed: int
    computed: int
    """Of the images, those that were computed; the others were in store, or being made."""
    seconds: float
    """Of computing (decision 0024)."""
    bytes_stored: int
    """Of the images that were computed."""


def read(session: Session, *, tenant: str, since: datetime, until: datetime) -> Sequence[KeyUsage]:
    """Add up a tenant's jobs by key, the costliest first.

    Args:
        session: An open transaction.
        tenant: Whose.
        since: Jobs that were asked for from then on; aware.
        until: And before then.
    """
    key = func.coalesce(col(Job.api_key_id), col(Batch.api_key_id))
    succeeded = col(Job.state) == JobState.SUCCEEDED
    computed = succeeded & col(Job.cache).in_(_COMPUTED)
    seconds = func.coalesce(func.sum(case((computed, col(Generation.seconds)))), 0)
    stored = func.coalesce(func.sum(case((computed, col(Image.size)))), 0)
    by_key = (
        select(
            key.label("api_key_id"),
            func.count().label("jobs"),
            func.count().filter(succeeded).label("images"),
            func.count().filter(col(Job.state) == JobState.FAILED).label("failed"),
            func.count().filter(computed).label("computed"),
            cast(seconds, Float).label("seconds"),
            stored.label("bytes_stored"),
        )
        .outerjoin(Batch, col(Batch.id) == col(Job.batch_id))
        .outerjoin(Generation, col(Generation.id) == col(Job.generation_id))
        .outerjoin(Image, col(Image.id) == col(Job.image_id))
        .where(
            col(Job.tenant) == tenant,
            col(Job.id) >= _first_id(since),
            col(Job.id) < _first_id(until),
        )
        .group_by(key)
        .subquery()
    )
    statement = (
        select(by_key, func.coalesce(col(ApiKey.name), "").label("name"))
        .outerjoin(ApiKey, col(ApiKey.id) == by_key.c.api_key_id)
        .order_by(by_key.c.seconds.desc(), by_key.c.jobs.desc(), by_key.c.api_key_id)
    )
    return [KeyUsage(**row) for row in session.execute(statement).mappings()]


def _first_id(moment: datetime) -> UUID:
    """Return the least id of what is made at a moment: ids sort by time."""
    return UUID(int=int(moment.timestamp() * 1000) << _UNDATED_BITS)
