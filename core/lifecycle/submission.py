"""Wanted images in: each is answered from store, joined to running work, or queued."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col

from core.fingerprint import derived_seed, fingerprint, variant_seed
from core.lanes import Lane
from core.lifecycle.locks import among
from core.models import Batch, Generation, Image, ImageParameters, Job
from core.models.columns import new_id
from core.states import IN_FLIGHT, BatchState, CacheOutcome, GenerationState, JobState


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One image that a caller asks for, validated."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance_scale: float
    scheduler: str
    seed: int | None
    """The caller's; None lets the fingerprint decide."""
    variant: int = 1
    sku: str = ""
    line: int | None = None
    row: dict[str, Any] = field(default_factory=dict)
    warning: str | None = None
    deadline_at: datetime | None = None

    def fingerprint(self, bundle_revision: str) -> str:
        """Digest what decides this image."""
        return fingerprint(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            width=self.width,
            height=self.height,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            scheduler=self.scheduler,
            seed=self.seed,
            variant=self.variant,
            bundle_revision=bundle_revision,
        )

    def parameters(self, digest: str) -> dict[str, Any]:
        """Give the columns of `ImageParameters`, the seed decided."""
        values = {name: getattr(self, name) for name in ImageParameters.model_fields}
        if self.seed is None:
            return values | {"seed": derived_seed(digest)}
        return values | {"seed": variant_seed(self.seed, self.variant)}


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What became of the wanted images."""

    job_ids: Sequence[UUID]
    """In the order of the wanted images."""
    published: Sequence[tuple[UUID, Lane]]
    """New generations: publish them after the commit."""


def submit(
    session: Session,
    wanted: Sequence[Wanted],
    *,
    tenant: str,
    lane: Lane,
    bundle_revision: str,
    batch: Batch | None = None,
) -> Submission:
    """Insert one job per wanted image, and one generation per image that nobody makes yet.

    Args:
        session: An open transaction.
        wanted: The images, in the order of the sheet.
        tenant: Whose they are; nothing of another tenant is looked at.
        lane: Queue of the new generations.
        bundle_revision: The model that makes them.
        batch: The sheet, not yet added to the session; its counters are set here.
    """
    digests = [one.fingerprint(bundle_revision) for one in wanted]
    first: dict[str, Wanted] = {}
    for digest, one in zip(digests, wanted, strict=True):
        first.setdefault(digest, one)
    images, generations, created = _resolve(session, first, tenant, lane, bundle_revision)

    rows = []
    fresh = set(created)
    for position, (one, digest) in enumerate(zip(wanted, digests, strict=True)):
        outcome = CacheOutcome.EXACT if digest in images else CacheOutcome.COALESCED
        if digest in fresh:
            fresh.remove(digest)
            outcome = CacheOutcome.MISS
        rows.append(
            one.parameters(digest)
            | {
                "id": new_id(),
                "tenant": tenant,
                "batch_id": batch.id if batch else None,
                "generation_id": generations.get(digest),
                "image_id": images.get(digest),
                "position": position,
                "line": one.line,
                "row": one.row,
                "sku": one.sku,
                "variant": one.variant,
                "fingerprint": digest,
                "lane": lane,
                "state": JobState.SUCCEEDED if digest in images else JobState.QUEUED,
                "cache": outcome,
                "warning": one.warning,
                "deadline_at": one.deadline_at,
                "finished_at": func.now() if digest in images else None,
            }
        )
    if batch:
        _add_batch(session, batch, rows)
    _insert_jobs(session, rows)
    return Submission(
        job_ids=[row["id"] for row in rows],
        published=[(generations[digest], lane) for digest in created],
    )


def _resolve(
    session: Session,
    first: dict[str, Wanted],
    tenant: str,
    lane: Lane,
    bundle_revision: str,
) -> tuple[dict[str, UUID], dict[str, UUID], list[str]]:
    """Find or make what answers each fingerprint: images, generations, and which are new."""
    images = _stored(session, tenant, first)
    generations: dict[str, UUID] = {}
    created: list[str] = []
    missing = [digest for digest in first if digest not in images]
    while missing:
        new = _insert_generations(session, missing, first, tenant, lane, bundle_revision)
        # A generation that finished between the look-up and the insert left its image behind.
        finished = _stored(session, tenant, new)
        if finished:
            discarded = [new.pop(digest) for digest in finished]
            session.execute(sql_delete(Generation).where(among(Generation.id, discarded)))
        joined = _lock_in_flight(session, tenant, [d for d in missing if d not in new])
        images |= finished
        generations |= new | joined
        # In the sheet's order, which ON CONFLICT does not keep.
        created += [digest for digest in missing if digest in new]
        missing = [d for d in missing if d not in generations and d not in images]
        # What was running a moment ago and is not now has ended: look again.
        images |= _stored(session, tenant, missing)
        missing = [digest for digest in missing if digest not in images]
    return images, generations, created


def _stored(session: Session, tenant: str, digests: Iterable[str]) -> dict[str, UUID]:
    """Find the stored image of each fingerprint."""
    wanted = list(digests)
    if not wanted:
        return {}
    statement = select(col(Image.fingerprint), col(Image.id)).where(
        col(Image.tenant) == tenant,
        col(Image.fingerprint) == func.any(wanted),
        col(Image.reusable),
    )
    return dict(session.execute(statement).all())


def _insert_generations(
    session: Session,
    digests: Sequence[str],
    first: dict[str, Wanted],
    tenant: str,
    lane: Lane,
    bundle_revision: str,
) -> dict[str, UUID]:
    """Queue what nobody computes yet; what is in flight already is left alone."""
    # Ids ascend in the sheet's order, in which the sweeper publishes.
    ids = {digest: new_id() for digest in digests}
    rows = [
        first[digest].parameters(digest)
        | {
            "id": ids[digest],
            "tenant": tenant,
            "fingerprint": digest,
            "bundle_revision": bundle_revision,
            "lane": lane,
            "state": GenerationState.QUEUED,
            "attempts": 0,
        }
        # Sorted: two sheets with the same products in another order must not deadlock.
        for digest in sorted(digests)
    ]
    table = Generation.__table__  # type: ignore[attr-defined]
    statement = upsert(table).on_conflict_do_nothing().returning(table.c.fingerprint, table.c.id)
    return dict(session.execute(statement, rows).all())


def _lock_in_flight(session: Session, tenant: str, digests: Sequence[str]) -> dict[str, UUID]:
    """Find the running work of each fingerprint and keep it from ending before our commit."""
    if not digests:
        return {}
    statement = (
        select(col(Generation.fingerprint), col(Generation.id))
        .where(
            col(Generation.tenant) == tenant,
            col(Generation.fingerprint) == func.any(list(digests)),
            col(Generation.state).in_(IN_FLIGHT),
        )
        # By id, as in core.lifecycle.locks: a sheet that is cancelled locks the same rows.
        .order_by(col(Generation.id))
        .with_for_update(read=True)
    )
    return dict(session.execute(statement).all())


def _add_batch(session: Session, batch: Batch, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the batch with its counters; one that store answered whole is complete at birth."""
    batch.total_jobs = len(rows)
    batch.open_jobs = sum(row["state"] == JobState.QUEUED for row in rows)
    if batch.open_jobs == 0:
        batch.state = BatchState.COMPLETED
        batch.finished_at = func.now()  # type: ignore[assignment]
    session.add(batch)
    session.flush()


def _insert_jobs(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert jobs in bulk, the finished and the open apart: one statement shape each."""
    for state in (JobState.SUCCEEDED, JobState.QUEUED):
        group = [row for row in rows if row["state"] == state]
        if not group:
            continue
        shared = {"finished_at": func.now()} if state == JobState.SUCCEEDED else {}
        for row in group:
            row.pop("finished_at")
        session.execute(insert(Job.__table__).values(**shared), group)  # type: ignore[attr-defined]
