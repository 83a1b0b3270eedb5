"""The approximate cache's rows as transactions: the nearest prompt, new entries, what must go."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import ApproximateEntry, ApproximateLatents, Generation, Job
from core.domain.texts import canonical_text

LATENTS = "latents/"
"""What the keys of all latents begin with; the tenant follows."""

Embedding = Sequence[float]
"""EMBEDDING_WIDTH numbers, of length 1."""


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """The nearest prompt of a scope, and what is left of its latents."""

    generation_id: UUID
    job_id: UUID | None
    similarity: float
    """Cosine between the two prompts' embeddings."""
    latents: Sequence[ApproximateLatents]
    """Most steps first; some may have been evicted."""


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """An image whose latents are in S3 and have no rows yet."""

    generation_id: UUID
    tenant: str
    scope: str
    bundle_revision: str
    prompt: str
    embedding: Embedding
    latents: Sequence[ApproximateLatents]


def find_nearest(
    session: Session, *, tenant: str, scope: str, embedding: Embedding
) -> Neighbour | None:
    """Find the nearest prompt among a tenant's entries of one scope."""
    # Otherwise the index gives its nearest forty, and those of other scopes are filtered out of
    # them afterwards: nothing might remain (pgvector's README, "Iterative Index Scans").
    session.execute(text("set local hnsw.iterative_scan = strict_order"))
    distance = col(ApproximateEntry.embedding).cosine_distance(embedding)  # type: ignore[attr-defined]
    nearest = session.execute(
        select(
            col(ApproximateEntry.generation_id),
            col(ApproximateEntry.job_id),
            distance.label("distance"),
        )
        .where(col(ApproximateEntry.tenant) == tenant, col(ApproximateEntry.scope) == scope)
        .order_by(distance)
        .limit(1)
    ).one_or_none()
    if nearest is None:
        return None
    latents = session.execute(
        select(ApproximateLatents)
        .where(col(ApproximateLatents.generation_id) == nearest.generation_id)
        .order_by(col(ApproximateLatents.step).desc())
    ).scalars()
    return Neighbour(
        generation_id=nearest.generation_id,
        job_id=nearest.job_id,
        similarity=1.0 - float(nearest.distance),
        latents=list(latents),
    )


def add_entries(session: Session, entries: Collection[NewEntry]) -> None:
    """Insert entries with their latents; one that is there already stays as it is.

    What was erased since it was computed leaves none.
    """
    kept = _not_erased(session, [entry.generation_id for entry in entries])
    entries = [entry for entry in entries if entry.generation_id in kept]
    if not entries:
        return
    jobs = _jobs_of(session, [entry.generation_id for entry in entries])
    rows = [
        {
            "generation_id": entry.generation_id,
            "job_id": jobs.get(entry.generation_id),
            "tenant": entry.tenant,
            "scope": entry.scope,
            "bundle_revision": entry.bundle_revision,
            "prompt": canonical_text(entry.prompt),
            "embedding": entry.embedding,
        }
        for entry in entries
    ]
    session.execute(upsert(ApproximateEntry).on_conflict_do_nothing(), rows)
    session.execute(
        upsert(ApproximateLatents).on_conflict_do_nothing(),
        [
            latents.model_dump(exclude={"created_at"})
            for entry in entries
            for latents in entry.latents
        ],
    )


def _not_erased(session: Session, generation_ids: Collection[UUID]) -> set[UUID]:
    """Leave out the generations that were erased; the others are not until the commit."""
    rows = session.execute(
        select(col(Generation.id), col(Generation.fingerprint))
        .where(among(Generation.id, generation_ids))
        .order_by(col(Generation.id))
        .with_for_update(read=True, key_share=True)
    )
    return set(generation_ids) - {identity for identity, fingerprint in rows if not fingerprint}


def _jobs_of(session: Session, generation_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Find the first job of each generation."""
    statement = (
        select(col(Job.generation_id), col(Job.id))
        .where(among(Job.generation_id, generation_ids))
        .ext(distinct_on(col(Job.generation_id)))
        .order_by(col(Job.generation_id), col(Job.id))
    )
    return {one: job_id for one, job_id in session.execute(statement) if one is not None}


def count_hits(session: Session, hits: Mapping[tuple[UUID, int], int]) -> None:
    """Count how many images began with which latents, by generation and step."""
    if not hits:
        return
    table = ApproximateLatents.__table__  # type: ignore[attr-defined]
    session.connection().execute(
        update(table)
        .where(table.c.generation_id == bindparam("one"), table.c.step == bindparam("after"))
        .values(hits=table.c.hits + bindparam("number"), last_hit_at=func.now()),
        # Sorted: two workers that count the same latents must not deadlock.
        [
            {"one": one, "after": step, "number": number}
            for (one, step), number in sorted(hits.items())
        ],
    )


def expire(session: Session, *, seconds: float) -> list[str]:
    """Delete latents that are older than so many seconds, by Postgres's clock.

    Returns:
        The keys of their objects, which are to be deleted after the commit.
    """
    age = timedelta(seconds=seconds)
    return _delete(session, col(ApproximateLatents.created_at) < func.now() - age)


def evict(session: Session, *, budget: int) -> list[str]:
    """Delete latents until the rest fits into `budget` bytes, the least beneficial first.

    LCBFU (Agarwal et al. 2023, arXiv 2312.04429, section 4.3): the benefit of latents is the
    number of their hits times the steps that each hit spares; of equal ones the older go.

    Returns:
        The keys of their objects, which are to be deleted after the commit.
    """
    table = ApproximateLatents
    best_first = (
        (col(table.hits) * col(table.step)).desc(),
        col(table.created_at).desc(),
        col(table.generation_id).desc(),
        col(table.step).desc(),
    )
    ranked = select(
        col(table.generation_id).label("generation_id"),
        col(table.step).label("step"),
        func.sum(col(table.size)).over(order_by=best_first).label("total"),
    ).subquery()
    over = select(ranked.c.generation_id, ranked.c.step).where(ranked.c.total > budget)
    return _delete(session, tuple_(col(table.generation_id), col(table.step)).in_(over))


def purge(
    session: Session,
    *,
    tenant: str | None = None,
    bundle_revision: str | None = None,
    prompt: str | None = None,
) -> list[str]:
    """Delete the entries that match everything that is named.

    Returns:
        The keys of their objects, which are to be deleted after the commit.
    """
    named = {
        "tenant": tenant,
        "bundle_revision": bundle_revision,
        "prompt": None if prompt is None else canonical_text(prompt),
    }
    entries = select(col(ApproximateEntry.generation_id)).where(
        *(
            col(getattr(ApproximateEntry, name)) == value
            for name, value in named.items()
            if value is not None
        )
    )
    return _delete(session, col(ApproximateLatents.generation_id).in_(entries))


def forget_generations(session: Session, generation_ids: Collection[UUID]) -> list[str]:
    """Delete what these generations left; see `purge` for what is returned."""
    keys = _delete(session, among(ApproximateLatents.generation_id, generation_ids))
    session.execute(
        delete(ApproximateEntry).where(among(ApproximateEntry.generation_id, generation_ids))
    )
    return keys


def forget(session: Session, generation_id: UUID, step: int) -> list[str]:
    """Delete latents that turned out to be unusable; see `purge` for what is returned."""
    return _delete(
        session,
        col(ApproximateLatents.generation_id) == generation_id,
        col(ApproximateLatents.step) == step,
    )


def known_keys(session: Session, keys: Collection[str]) -> set[str]:
    """Return which of these objects have a row."""
    statement = select(col(ApproximateLatents.key)).where(
        col(ApproximateLatents.key) == func.any(list(keys))
    )
    return set(session.execute(statement).scalars())


def _delete(session: Session, *where: Any) -> list[str]:
    """Delete latents, and the entries of which nothing is left."""
    deleted = session.execute(
        delete(ApproximateLatents)
        .where(*where)
        .returning(col(ApproximateLatents.generation_id), col(ApproximateLatents.key))
    ).all()
    if deleted:
        left = select(col(ApproximateLatents.generation_id)).where(
            col(ApproximateLatents.generation_id) == col(ApproximateEntry.generation_id)
        )
        session.execute(
            delete(ApproximateEntry).where(
                among(ApproximateEntry.generation_id, {one for one, _ in deleted}),
                ~left.exists(),
            )
        )
    return [key for _, key in deleted]
