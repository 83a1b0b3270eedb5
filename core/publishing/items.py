"""The images of a publishing run, and what became of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlmodel import Session, col

from core.db.models import PublishItem
from core.db.models.columns import new_id
from core.db.models.transitions import change
from core.domain.states import PublishItemState, PublishState
from core.publishing.records import ImageToPublish
from core.publishing.runs import RunClaim, finish


def items_of(
    session: Session, run_id: UUID, *, after: int = -1, limit: int | None = None
) -> Sequence[PublishItem]:
    """Return a run's products, in its order."""
    statement = (
        select(PublishItem)
        .where(col(PublishItem.run_id) == run_id, col(PublishItem.position) > after)
        .order_by(col(PublishItem.position))
        .limit(limit)
    )
    return session.execute(statement).scalars().all()


def count_items(session: Session, run_id: UUID) -> Mapping[PublishItemState, int]:
    """Count a run's products by their states."""
    statement = (
        select(col(PublishItem.state), func.count())
        .where(col(PublishItem.run_id) == run_id)
        .group_by(col(PublishItem.state))
    )
    return {row[0]: row[1] for row in session.execute(statement)}


@dataclass(frozen=True, kw_only=True)
class PlannedItem:
    """One product of a plan."""

    product: str | None
    """None: the store has none with the SKU of its images."""
    title: str
    images: Sequence[ImageToPublish]
    before: Sequence[Mapping[str, Any]]


def write_plan(session: Session, claim: RunClaim, items: Sequence[PlannedItem]) -> None:
    """Write a plan that is complete; the claim is held in the same transaction."""
    for position, item in enumerate(items):
        session.execute(
            insert(PublishItem).values(
                id=new_id(),
                tenant=claim.tenant,
                run_id=claim.run_id,
                position=position,
                product=item.product,
                title=item.title,
                images=[one.document() for one in item.images],
                before=None if item.product is None else list(item.before),
                state=(
                    PublishItemState.NOT_FOUND if item.product is None else PublishItemState.PLANNED
                ),
            )
        )
    finish(session, claim, PublishState.PLANNED)


def change_item(session: Session, item_id: UUID, **values: Any) -> None:
    """Write what is known of a product; its state is changed by `end_item` alone."""
    session.execute(update(PublishItem).where(col(PublishItem.id) == item_id).values(**values))


def end_item(session: Session, item_id: UUID, state: PublishItemState, **values: Any) -> None:
    """Record what became of a product."""
    session.execute(
        change(PublishItem, state).where(col(PublishItem.id) == item_id).values(**values)
    )
