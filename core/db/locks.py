"""Row locks in the one order that everybody keeps."""

import hashlib
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session, col

from core.db.models import Generation, Image, WebhookDelivery


def take_advisory_lock(session: Session, name: str) -> None:
    """Acquire the advisory lock of a name until the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(_number(name))))


def try_advisory_lock(session: Session, name: str) -> bool:
    """Acquire it as `take_advisory_lock` does, or return False where another transaction has it."""
    return bool(session.execute(select(func.pg_try_advisory_xact_lock(_number(name)))).scalar_one())


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def lock_generations(
    session: Session,
    *where: ColumnElement[bool],
    skip_locked: bool = False,
    joinable: bool = False,
    limit: int | None = None,
) -> list[UUID]:
    """Lock the generations that match, by ascending id, until the transaction ends.

    Whoever changes several generations in one transaction locks them here first: an UPDATE alone
    takes its locks in any order, so two of them could wait for each other.

    Args:
        session: An open transaction.
        where: Conditions; they hold again when a lock had to be waited for.
        skip_locked: Leave out what another transaction is changing, instead of waiting.
        joinable: Whether requests may join them meanwhile. A join (`FOR KEY SHARE`) keeps the work
            from ending until its request is committed, which takes seconds for a large sheet; only
            what ends the work has to wait for that, and takes the stronger lock (`FOR UPDATE`).
        limit: Most that are locked, the oldest first; None: all.
    """
    return _lock(
        session, Generation, where, skip_locked=skip_locked, joinable=joinable, limit=limit
    )


def lock_deliveries(session: Session, *where: ColumnElement[bool]) -> list[UUID]:
    """Lock the deliveries that match, as `lock_generations` does.

    Whoever locks endpoints too does that before.
    """
    return _lock(session, WebhookDelivery, where)


def lock_images(
    session: Session, *where: ColumnElement[bool], against_jobs: bool = False
) -> list[UUID]:
    """Lock the images that match, as `lock_generations` does.

    Args:
        session: An open transaction.
        where: Conditions.
        against_jobs: Also against jobs that come to name them; what is held is left out then,
            instead of waited for.
    """
    return _lock(session, Image, where, skip_locked=against_jobs, joinable=not against_jobs)


def _lock(
    session: Session,
    table: type[Any],
    where: Collection[ColumnElement[bool]],
    *,
    skip_locked: bool = False,
    joinable: bool = False,
    limit: int | None = None,
) -> list[UUID]:
    statement = (
        select(col(table.id))
        .where(*where)
        .order_by(col(table.id))
        .limit(limit)
        .with_for_update(skip_locked=skip_locked, key_share=joinable)
    )
    return list(session.execute(statement).scalars())
