"""How many images of API keys may wait or be computed at the same time."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session, col

from core.budgets import Budget
from core.db.arrays import among
from core.db.locks import take_advisory_lock
from core.db.models import ApiKey, Batch, Job
from core.domain.states import OPEN_JOB, BatchState
from core.errors import TooManyQueuedError

RETRY_SECONDS = 60


@contextmanager
def room_for(session: Session, budgets: Sequence[Budget], *, adding: int) -> Iterator[None]:
    """Refuse images above the limits of a key: before they are inserted, and after.

    From then until the transaction ends others that count in them wait, and not while a large sheet
    is inserted: of two that come together the second one finds what the first has inserted.

    Args:
        session: An open transaction, in which the block inserts the images.
        budgets: The limits that the key counts in.
        adding: Images that are asked for.

    Raises:
        TooManyQueuedError: naming the numbers.
    """
    for budget in budgets:
        keys = _counting_in(session, budget)
        there = open_images(session, keys)
        if there + adding > budget.most:
            raise _too_many(budget, keys, there, adding)
    yield
    check_quota(session, budgets, added=adding)


def check_quota(session: Session, budgets: Sequence[Budget], *, added: int) -> None:
    """Refuse images above the limits of a key that this transaction has inserted.

    Until it ends others that count in them wait.

    Args:
        session: An open transaction, in which the images are inserted.
        budgets: The limits that the key counts in.
        added: How many were asked for.

    Raises:
        TooManyQueuedError: naming the numbers.
    """
    # A key's own limit before the one that it shares: in that order all of them wait.
    for budget in budgets:
        take_advisory_lock(session, f"quota {budget.owner}")
        keys = _counting_in(session, budget)
        # What store answers, or ended meanwhile, is not among them.
        altogether = open_images(session, keys)
        if altogether > budget.most:
            raise _too_many(budget, keys, max(0, altogether - added), added)


def _too_many(
    budget: Budget, keys: Collection[UUID], there: int, adding: int
) -> TooManyQueuedError:
    who, they = ("This key", "it has")
    if len(keys) > 1:
        who, they = ("This key and those that share its limit", "they have")
    return TooManyQueuedError(
        f"{who} may have {budget.most:,} images waiting or being computed; {they} {there:,}, and "
        f"the request asks for {adding:,}. Send it again when some are done, or ask for less.",
        retry_after=RETRY_SECONDS,
        limit=budget.most,
        remaining=max(0, budget.most - there),
    )


def _counting_in(session: Session, budget: Budget) -> Collection[UUID]:
    """List the keys that count in a limit, revoked ones too: their images may still wait."""
    shared = select(col(ApiKey.id)).where(col(ApiKey.limits_owner) == budget.owner)
    return {budget.owner, *session.execute(shared).scalars()}


def open_images(session: Session, api_key_ids: Collection[UUID]) -> int:
    """Count the images of some keys that wait or are computed."""
    batches = select(func.coalesce(func.sum(col(Batch.open_jobs)), 0)).where(
        among(Batch.api_key_id, api_key_ids), col(Batch.state) == BatchState.RUNNING
    )
    singles = select(func.count()).where(
        among(Job.api_key_id, api_key_ids), col(Job.state).in_(OPEN_JOB)
    )
    return int(
        session.execute(select(batches.scalar_subquery() + singles.scalar_subquery())).scalar_one()
    )
