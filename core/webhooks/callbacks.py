"""Callbacks whose receiver wants nothing any more: what an endpoint's row is for the others."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select, tuple_, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.models import Batch, WebhookDelivery
from core.domain.states import DeliveryState
from core.webhooks.deliveries import Message


def waiting_for(session: Session, messages: Collection[Message]) -> set[UUID]:
    """Find the deliveries that wait for the same addresses of the same tenants."""
    if not messages:
        return set()
    statement = select(col(WebhookDelivery.id)).where(
        col(WebhookDelivery.state) == DeliveryState.PENDING,
        col(WebhookDelivery.endpoint_id).is_(None),
        # A queue is one tenant's alone.
        tuple_(col(WebhookDelivery.queue), col(WebhookDelivery.url)).in_(
            {(message.queue, message.url) for message in messages}
        ),
    )
    return set(session.execute(statement).scalars())


def forget(session: Session, messages: Collection[Message]) -> None:
    """Let the batches of these messages tell their callbacks nothing more.

    A job needs none of that: its callback hears of its end alone.
    """
    batches = {message.batch_id for message in messages if message.batch_id}
    if not batches:
        return
    locked = session.execute(
        select(col(Batch.id))
        .where(among(Batch.id, batches))
        .order_by(col(Batch.id))
        .with_for_update(key_share=True)
    ).scalars()
    session.execute(update(Batch).where(among(Batch.id, set(locked))).values(callback_url=None))
