"""How much waits and runs in each lane, as Postgres knows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import Session, col

from core.db.models import Generation
from core.domain.lanes import Lane
from core.domain.states import IN_FLIGHT, GenerationState


@dataclass(frozen=True, kw_only=True)
class LaneStats:
    """One lane's generations in one state."""

    lane: Lane
    state: GenerationState
    number: int
    oldest_seconds: float
    """Since the oldest of them was asked for; 0 where there is none."""


def read(session: Session, *, tenant: str | None = None) -> Sequence[LaneStats]:
    """Count every lane's waiting and running generations; of one tenant, or of all."""
    age = func.extract("epoch", func.now() - func.min(col(Generation.created_at)))
    statement = (
        select(col(Generation.lane), col(Generation.state), func.count(), age)
        # In these words: those of the index that holds unfinished rows only.
        .where(col(Generation.state).in_(IN_FLIGHT))
        .group_by(col(Generation.lane), col(Generation.state))
    )
    if tenant is not None:
        statement = statement.where(col(Generation.tenant) == tenant)
    found = {
        (lane, state): (number, age) for lane, state, number, age in session.execute(statement)
    }
    stats = []
    for lane in Lane:
        for state in IN_FLIGHT:
            number, seconds = found.get((lane, state), (0, 0.0))
            stats.append(
                LaneStats(lane=lane, state=state, number=number, oldest_seconds=float(seconds))
            )
    return stats
