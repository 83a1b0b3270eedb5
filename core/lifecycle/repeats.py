"""A request that was answered before, answered again: one statement, which also looks."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, literal, select
from sqlmodel import Session, col

from core.db.models import Image, Job
from core.db.models.columns import new_id
from core.domain.lanes import Lane
from core.domain.states import CacheOutcome, JobState
from core.lifecycle.lookup import usable
from core.lifecycle.submission import Wanted
from core.webhooks import events
from core.webhooks.events import JobChange


@dataclass(frozen=True, kw_only=True)
class Known:
    """An image that answered a request; whether it still may is for Postgres to say."""

    image: Image
    """As it was read; not in a session."""
    seconds: float | None
    """What computing it took: see `core.db.models.Generation`."""
    approximation: dict[str, Any] | None = None
    """What it began with, if not with noise."""


def answer_again(
    session: Session,
    wanted: Wanted,
    known: Known,
    *,
    tenant: str,
    lane: Lane,
    fingerprint: str,
    ttl_seconds: float,
) -> Job | None:
    """Insert a job that has its image, if that image still may answer.

    The image is looked at in the statement that inserts: it is the tenant's, reusable, and young
    enough by Postgres's clock, and the janitor leaves it alone until the transaction ends.

    Args:
        session: An open transaction.
        wanted: What is asked for.
        known: What answered it before.
        tenant: Who asks.
        lane: The request's.
        fingerprint: Of what is asked for.
        ttl_seconds: The age from which an image answers no more; `core.lifecycle.lookup.FOR_EVER`
            for none.

    Returns:
        The job, with no session; None when the image may not answer any more, and nothing was
        inserted.
    """
    values = wanted.job(fingerprint) | {
        "id": new_id(),
        "tenant": tenant,
        "image_id": known.image.id,
        "position": 0,
        "fingerprint": fingerprint,
        "lane": lane,
        "state": JobState.SUCCEEDED,
        "cache": CacheOutcome.EXACT,
    }
    columns = Job.__table__.c  # type: ignore[attr-defined]
    row = select(
        *(literal(value, columns[name].type) for name, value in values.items()), func.now()
    )
    row = row.where(
        col(Image.id) == known.image.id,
        col(Image.tenant) == tenant,
        col(Image.fingerprint) == fingerprint,
        usable(ttl_seconds),
    ).with_for_update(of=Image, read=True, key_share=True)
    inserted = session.execute(
        insert(Job)
        .from_select([*values, "finished_at"], row)
        .returning(col(Job.created_at), col(Job.finished_at))
    ).one_or_none()
    if inserted is None:
        return None
    job = Job(**values, created_at=inserted.created_at, finished_at=inserted.finished_at)
    events.record(session, state=JobState.SUCCEEDED, jobs=[JobChange.of(job)])
    return job
