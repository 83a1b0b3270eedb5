"""Batches as API documents, one tenant's only."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlmodel import Session, col

from api.schemas.batches import Approvals, BatchLinks, BatchModel, BatchPage, BatchView, Counts
from api.schemas.sheets import SheetReading, SheetWarning
from api.views.cursors import read_cursor, write_cursor
from core.db.arrays import among
from core.db.models import Batch, Job
from core.domain.approval import Approval
from core.domain.states import JobState
from core.errors import NotFoundError
from core.lifecycle.approval import to_review
from core.lifecycle.serving import abandoned_among
from core.links import batch_path, results_path


def find_batch(session: Session, tenant: str, batch_id: UUID) -> Batch:
    """Find one batch.

    Raises:
        NotFoundError: The tenant has no such batch.
    """
    statement = _batches_of(tenant).where(col(Batch.id) == batch_id)
    statement = statement.execution_options(populate_existing=True)
    batch: Batch | None = session.execute(statement).scalar_one_or_none()
    if batch is None:
        raise NotFoundError(f"There is no batch {batch_id} here, or it belongs to another key.")
    return batch


def _batches_of(tenant: str) -> Select[Batch]:
    return select(Batch).where(col(Batch.tenant) == tenant, col(Batch.deleted_at).is_(None))


def list_batches(session: Session, tenant: str, *, cursor: str | None, limit: int) -> BatchPage:
    """Return one page of the tenant's batches, newest first."""
    before = read_cursor(cursor, UUID)
    statement = _batches_of(tenant)
    if before is not None:
        statement = statement.where(col(Batch.id) < before)
    statement = statement.order_by(col(Batch.id).desc()).limit(limit + 1)
    rows = session.execute(statement).scalars().all()
    page = rows[:limit]
    return BatchPage(
        items=view_batches(session, page),
        next=write_cursor(page[-1].id) if len(rows) > limit else None,
    )


def skipped_rows(batch: Batch) -> Sequence[Mapping[str, Any]]:
    """Return the rows that were left out of a batch, as `catalogue.skipping` writes them."""
    return [one for one in batch.warnings if "skipped" in one]


def view_batch(session: Session, batch: Batch) -> BatchView:
    """Write one batch."""
    return view_batches(session, [batch])[0]


def view_batches(session: Session, batches: Sequence[Batch]) -> list[BatchView]:
    """Write batches, with the counts of all of them in one query."""
    counts = _count(session, [batch.id for batch in batches])
    queued = {
        one.revision
        for found in counts.values()
        for one in found
        if one.state is JobState.QUEUED and one.revision is not None
    }
    lacking = abandoned_among(session, queued)
    return [_view(batch, counts.get(batch.id, ()), lacking) for batch in batches]


@dataclass(frozen=True, kw_only=True)
class _Count:
    """How many jobs of a batch are in a state, by their model."""

    state: JobState
    model: str | None
    revision: str | None
    approval: Approval
    is_judged: bool
    """Whether nobody has to look at it: it has no image, or another of its row is approved."""
    number: int


def _count(session: Session, batch_ids: Iterable[UUID]) -> Mapping[UUID, Sequence[_Count]]:
    grouped = (
        *(col(Job.batch_id), col(Job.state), col(Job.model), col(Job.bundle_revision)),
        *(col(Job.approval), ~to_review()),
    )
    statement = (
        select(*grouped, func.count())
        .where(among(Job.batch_id, list(batch_ids)))
        .group_by(*grouped)
    )
    counts: dict[UUID, list[_Count]] = defaultdict(list)
    names = [one.name for one in fields(_Count)]
    for batch_id, *values in session.execute(statement):
        if batch_id is not None:
            counts[batch_id].append(_Count(**dict(zip(names, values, strict=True))))
    return counts


def _states(found: Iterable[_Count]) -> Counts:
    states: Counter[str] = Counter()
    for one in found:
        states[one.state.value] += one.number
    return Counts(**states)


def _approvals(found: Iterable[_Count]) -> Approvals:
    approvals: Counter[str] = Counter()
    for one in found:
        if one.approval is not Approval.PENDING or not one.is_judged:
            approvals[one.approval.value] += one.number
    return Approvals(**approvals)


def _models(found: Iterable[_Count]) -> list[BatchModel]:
    images: Counter[tuple[str | None, str]] = Counter()
    for one in found:
        if one.revision is not None:
            images[one.model, one.revision] += one.number
    return [
        BatchModel(name=name, revision=revision, images=number)
        for (name, revision), number in images.most_common()
    ]


def _view(batch: Batch, found: Sequence[_Count], lacking: Collection[str]) -> BatchView:
    path = batch_path(batch.id)
    values: dict[str, Any] = {
        name: getattr(batch, name)
        for name in (
            "id",
            "name",
            "state",
            "lane",
            "recipe",
            "require_approval",
            "created_at",
            "finished_at",
        )
    }
    return BatchView(
        **values,
        total=batch.total_jobs,
        counts=_states(found),
        approvals=_approvals(found),
        models=_models(found),
        waiting_for_model=sum(
            one.number for one in found if one.state is JobState.QUEUED and one.revision in lacking
        ),
        detected=SheetReading(**batch.reading) if batch.reading else None,
        skipped=len(skipped_rows(batch)),
        warnings=[
            SheetWarning(**one)
            for one in batch.warnings
            if not one.get("note") and "skipped" not in one
        ],
        notes=[SheetWarning(**one) for one in batch.warnings if one.get("note")],
        links=BatchLinks(
            self=path,
            items=f"{path}/items",
            results=results_path(batch.id),
            images=f"{path}/images.zip",
            manifest=f"{path}/manifest.jsonl",
            cancel=f"{path}/cancel",
            retry=f"{path}/retry",
        ),
    )
