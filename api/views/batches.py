"""Batches as API documents, one tenant's only."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlmodel import Session, col

from api.schemas.batches import BatchLinks, BatchPage, BatchView, Counts
from api.schemas.sheets import SheetReading, SheetWarning
from api.views.cursors import read_cursor, write_cursor
from core.db.arrays import among
from core.db.models import Batch, Job
from core.errors import NotFoundError
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


def view_batch(session: Session, batch: Batch) -> BatchView:
    """Write one batch."""
    return view_batches(session, [batch])[0]


def view_batches(session: Session, batches: Sequence[Batch]) -> list[BatchView]:
    """Write batches, with the counts of all of them in one query."""
    counts = _count(session, [batch.id for batch in batches])
    revisions = {batch.bundle_revision for batch in batches if counts[batch.id].queued}
    lacking = abandoned_among(session, {one for one in revisions if one is not None})
    return [
        _view(batch, counts[batch.id], lacks_worker=batch.bundle_revision in lacking)
        for batch in batches
    ]


def _count(session: Session, batch_ids: Iterable[UUID]) -> dict[UUID, Counts]:
    statement = (
        select(col(Job.batch_id), col(Job.state), func.count())
        .where(among(Job.batch_id, list(batch_ids)))
        .group_by(col(Job.batch_id), col(Job.state))
    )
    counts: dict[UUID, dict[str, int]] = defaultdict(dict)
    for batch_id, state, number in session.execute(statement):
        if batch_id is not None:
            counts[batch_id][state.value] = number
    return defaultdict(Counts, {batch_id: Counts(**found) for batch_id, found in counts.items()})


def _view(batch: Batch, counts: Counts, *, lacks_worker: bool) -> BatchView:
    path = batch_path(batch.id)
    values: dict[str, Any] = {
        name: getattr(batch, name)
        for name in ("id", "name", "state", "lane", "recipe", "created_at", "finished_at")
    }
    return BatchView(
        **values,
        total=batch.total_jobs,
        counts=counts,
        waiting_for_model=counts.queued if lacks_worker else 0,
        detected=SheetReading(**batch.reading) if batch.reading else None,
        warnings=[SheetWarning(**one) for one in batch.warnings if not one.get("note")],
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
