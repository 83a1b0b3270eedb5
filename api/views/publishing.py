"""Publish targets and runs as bodies."""

from uuid import UUID

from sqlmodel import Session

from api.schemas.publishing import (
    PublishCounts,
    PublishItemPage,
    PublishItemView,
    PublishPage,
    PublishView,
    TargetView,
)
from api.views.cursors import read_cursor, write_cursor
from core.db.models import PublishItem, PublishRun, PublishTarget
from core.publishing import items as run_items
from core.publishing import runs


def view_target(target: PublishTarget) -> TargetView:
    """Write a target, without its credentials."""
    return TargetView(**{name: getattr(target, name) for name in TargetView.model_fields})


def view_run(session: Session, run: PublishRun) -> PublishView:
    """Write a run with its counts."""
    counts = {one.value: number for one, number in run_items.count_items(session, run.id).items()}
    shown = set(PublishView.model_fields) - {"target", "products"}
    return PublishView(
        **{name: getattr(run, name) for name in shown},
        target=session.get_one(PublishTarget, run.target_id).name,
        products=PublishCounts(**counts),
    )


def list_runs(session: Session, tenant: str, *, cursor: str | None, limit: int) -> PublishPage:
    """Return one page of a tenant's runs, newest first."""
    before = read_cursor(cursor, UUID)
    found = runs.list_them(session, tenant, before=before, limit=limit + 1)
    page = found[:limit]
    return PublishPage(
        items=[view_run(session, one) for one in page],
        next=write_cursor(page[-1].id) if len(found) > limit else None,
    )


def list_items(
    session: Session, run: PublishRun, *, cursor: str | None, limit: int
) -> PublishItemPage:
    """Return one page of a run's products."""
    after = read_cursor(cursor, int)
    found = run_items.items_of(
        session, run.id, after=-1 if after is None else after, limit=limit + 1
    )
    page = found[:limit]
    return PublishItemPage(
        items=[_view_item(one) for one in page],
        next=write_cursor(page[-1].position) if len(found) > limit else None,
    )


def _view_item(item: PublishItem) -> PublishItemView:
    values = {name: getattr(item, name) for name in PublishItemView.model_fields}
    return PublishItemView.model_validate(values)
