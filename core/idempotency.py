"""Requests that may come twice: the first answer is kept, and given again.

Source: the IETF draft "The Idempotency-Key HTTP Header Field", 07. The answer is written in the
transaction of the work itself, so there is never one without the other; while that transaction
runs it holds an advisory lock, which Postgres lets go when the process dies.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col

from core.db.locks import try_advisory_lock
from core.db.models import ApiKey, IdempotencyRecord
from core.errors import IdempotencyInProgressError, IdempotencyMismatchError

LARGEST_ANSWER = 2**20
"""Bytes of an answer that is kept."""
PRUNED_AT_ONCE = 10_000


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One arrival of a request."""

    api_key_id: UUID
    key: str
    """The caller's Idempotency-Key."""
    digest: str
    """SHA-256 of the request, hex."""
    path: str
    """The request's."""


@dataclass(frozen=True, kw_only=True)
class KeptAnswer:
    """What was answered."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes | None
    """None: it was not kept."""


def begin(session: Session, attempt: Attempt, *, ttl_seconds: float) -> KeptAnswer | None:
    """Begin a request, or return the answer that it had before.

    The session's transaction is to do the request's work and end with `record`.

    Raises:
        IdempotencyInProgressError: The first arrival is still being processed.
        IdempotencyMismatchError: The key came with another request.
    """
    if not try_advisory_lock(session, f"{attempt.api_key_id}/{attempt.key}"):
        raise IdempotencyInProgressError(retry_after=1)
    found = session.execute(
        select(IdempotencyRecord).where(
            col(IdempotencyRecord.api_key_id) == attempt.api_key_id,
            col(IdempotencyRecord.key) == attempt.key,
            col(IdempotencyRecord.created_at) > func.now() - timedelta(seconds=ttl_seconds),
        )
    ).scalar_one_or_none()
    if found is None:
        return None
    if found.digest != attempt.digest:
        raise IdempotencyMismatchError
    headers = [(name, value) for name, value in found.headers]
    return KeptAnswer(status=found.status, headers=headers, body=found.body)


def record(session: Session, attempt: Attempt, answer: KeptAnswer) -> None:
    """Store an answer, in the place of one that has expired."""
    values = {
        "digest": attempt.digest,
        "status": answer.status,
        "headers": [list(header) for header in answer.headers],
        "body": answer.body,
        "resource": _resource(attempt, answer),
        "created_at": func.now(),
    }
    session.execute(
        upsert(IdempotencyRecord)
        .values(api_key_id=attempt.api_key_id, key=attempt.key, **values)
        .on_conflict_do_update(index_elements=["api_key_id", "key"], set_=values)
    )


def _resource(attempt: Attempt, answer: KeptAnswer) -> str:
    """Return the path of what an answer speaks of: what was made, or what the request named."""
    made = next((value for name, value in answer.headers if name.lower() == "location"), None)
    return "/".join((made or attempt.path).split("/")[:_PARTS])


_PARTS = len(["", "v1", "jobs", "id"])


def forget(session: Session, resources: Collection[str], *, tenant: str | None = None) -> None:
    """Delete the answers that speak of these things: a repeat is a new request from then on.

    Args:
        session: An open transaction.
        resources: Their paths.
        tenant: Whose they are; None: their paths have ids that no two tenants have.
    """
    where = [col(IdempotencyRecord.resource) == func.any(list(resources))]
    if tenant is not None:
        keys = select(col(ApiKey.id)).where(col(ApiKey.tenant) == tenant)
        where.append(col(IdempotencyRecord.api_key_id).in_(keys))
    session.execute(delete(IdempotencyRecord).where(*where))


def prune(session: Session, *, ttl_seconds: float) -> int:
    """Delete some answers whose time is over; return how many."""
    old = (
        select(col(IdempotencyRecord.api_key_id), col(IdempotencyRecord.key))
        .where(col(IdempotencyRecord.created_at) <= func.now() - timedelta(seconds=ttl_seconds))
        .limit(PRUNED_AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    result = session.execute(
        delete(IdempotencyRecord).where(
            col(IdempotencyRecord.api_key_id) == old.c.api_key_id,
            col(IdempotencyRecord.key) == old.c.key,
        )
    )
    return int(result.rowcount)  # type: ignore[attr-defined]
