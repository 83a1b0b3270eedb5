"""How many images of an API key may wait or be computed at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session, col

from core.db.locks import take_advisory_lock
from core.db.models import Batch, Job
from core.domain.states import OPEN_JOB, BatchState
from core.errors import TooManyQueuedError

RETRY_SECONDS = 60


@contextmanager
def room_for(session: Session, api_key_id: UUID, *, adding: int, limit: int) -> Iterator[None]:
    """Refuse images above a key's limit: before they are inserted, and after.

    From then until the transaction ends the key's others wait, and not while a large sheet is
    inserted: of two that come together the second one finds what the first has inserted.

    Args:
        session: An open transaction, in which the block inserts the images.
        api_key_id: Whose.
        adding: Images that are asked for.
        limit: Most of the key that wait or are computed; 0: no limit.

    Raises:
        TooManyQueuedError: naming the numbers.
    """
    if not limit:
        yield
        return
    there = open_images(session, api_key_id)
    if there + adding > limit:
        raise _too_many(there, adding, limit)
    yield
    check_quota(session, api_key_id, added=adding, limit=limit)


def check_quota(session: Session, api_key_id: UUID, *, added: int, limit: int) -> None:
    """Refuse images above a key's limit that this transaction has inserted.

    Until it ends the key's others wait.

    Args:
        session: An open transaction, in which the images are inserted.
        api_key_id: Whose.
        added: How many were asked for.
        limit: Most of the key that wait or are computed; 0: no limit.

    Raises:
        TooManyQueuedError: naming the numbers.
    """
    if not limit:
        return
    take_advisory_lock(session, f"quota {api_key_id}")
    # What store answers, or ended meanwhile, is not among them.
    altogether = open_images(session, api_key_id)
    if altogether > limit:
        raise _too_many(max(0, altogether - added), added, limit)


def _too_many(there: int, adding: int, limit: int) -> TooManyQueuedError:
    return TooManyQueuedError(
        f"This key may have {limit:,} images waiting or being computed; it has {there:,}, and "
        f"the request asks for {adding:,}. Send it again when some are done, or ask for less.",
        retry_after=RETRY_SECONDS,
        limit=limit,
        remaining=max(0, limit - there),
    )


def open_images(session: Session, api_key_id: UUID) -> int:
    """Count a key's images that wait or are computed."""
    batches = select(func.coalesce(func.sum(col(Batch.open_jobs)), 0)).where(
        col(Batch.api_key_id) == api_key_id, col(Batch.state) == BatchState.RUNNING
    )
    singles = select(func.count()).where(
        col(Job.api_key_id) == api_key_id, col(Job.state).in_(OPEN_JOB)
    )
    return int(
        session.execute(select(batches.scalar_subquery() + singles.scalar_subquery())).scalar_one()
    )
