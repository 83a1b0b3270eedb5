"""How long a batch may still take, by how quickly its last images came."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session, col

from core.db.models import Job
from core.domain.states import CacheOutcome, JobState

RECENT = timedelta(minutes=10)
FEWEST = 3
"""Images that say something about a speed."""


def remaining_seconds(session: Session, batch_id: UUID, open_jobs: int) -> float | None:
    """Estimate how long a batch's open jobs take, in seconds.

    By the clock: the time since the first of the images that were computed in the last ten
    minutes, shared by those after it. What came from store says nothing.

    Returns:
        None while too few images have come.
    """
    since_first = func.extract("epoch", func.now() - func.min(col(Job.finished_at)))
    statement = select(func.count(), since_first).where(
        col(Job.batch_id) == batch_id,
        col(Job.state).in_([JobState.SUCCEEDED, JobState.FAILED]),
        col(Job.cache) != CacheOutcome.EXACT,
        col(Job.finished_at) > func.now() - RECENT,
    )
    number, seconds = session.execute(statement).one()
    if number < FEWEST or not seconds:
        return None
    return float(open_jobs * seconds / (number - 1))
