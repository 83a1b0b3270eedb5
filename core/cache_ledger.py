"""The caches' counts in Postgres: written in batches by every process, read added up."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session, col

from core.cache_stats import COUNTERS, Amount, Counters, Holding, Key, Level
from core.db.engine import Database
from core.db.models import ApproximateEntry, ApproximateLatents, CacheHolding, CacheStat, Image

OUTDATED = timedelta(minutes=2)
"""A process that has not renewed what it holds for so long is gone."""

_ADDED = ("number", "steps_saved", "seconds_saved")
_RENEWED = ("size", "entries", "seen_at")
_LEVELS = [level.value for level in Level]


def flush(database: Database, counters: Counters = COUNTERS) -> None:
    """Write what this process counted since the last call, and renew what it holds.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: Nothing was written, and nothing is lost: the next call
            writes it.
    """
    amounts = counters.take()
    try:
        with database.session() as session:
            _add(session, amounts)
            _renew(session, counters.holdings())
    except BaseException:
        counters.put_back(amounts)
        raise


def _add(session: Session, amounts: Mapping[Key, Amount]) -> None:
    if not amounts:
        return
    # Sorted: two processes that write the same rows must not deadlock.
    rows = [
        {"tenant": tenant, "level": level.value, "outcome": outcome.value, **vars(amount)}
        for (tenant, level, outcome), amount in sorted(amounts.items())
    ]
    statement = upsert(CacheStat).values(rows)
    total = {n: col(getattr(CacheStat, n)) + getattr(statement.excluded, n) for n in _ADDED}
    keys = ["tenant", "level", "outcome"]
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=total))


def _renew(session: Session, holdings: Mapping[Level, Holding]) -> None:
    if not holdings:
        return
    session.execute(delete(CacheHolding).where(col(CacheHolding.seen_at) < func.now() - OUTDATED))
    process = f"{socket.gethostname()}:{os.getpid()}"
    rows = [
        {"process": process, "level": level.value, **vars(holding), "seen_at": func.now()}
        for level, holding in holdings.items()
    ]
    statement = upsert(CacheHolding).values(rows)
    renewed = {name: getattr(statement.excluded, name) for name in _RENEWED}
    session.execute(
        statement.on_conflict_do_update(index_elements=["process", "level"], set_=renewed)
    )


@dataclass(frozen=True, kw_only=True)
class LevelStats:
    """One level, all processes together."""

    level: str
    outcomes: Mapping[str, Amount]
    held: Holding | None
    """What all processes hold in memory; None for a level that holds nothing there."""
    stored: Holding | None
    """What lies in S3; None for a level that stores nothing."""


def read(session: Session, *, tenant: str | None = None) -> Sequence[LevelStats]:
    """Add up what the caches did, one item per level of `core.cache_stats.Level`.

    Args:
        session: An open transaction.
        tenant: Only what happened to this tenant's requests, and nothing of what processes hold
            in memory, which is everybody's; None: everything.
    """
    outcomes = _outcomes(session, tenant)
    stored = _stored(session, tenant)
    held = _held(session) if tenant is None else {}
    # A newer process may count levels that this one does not know.
    names = [*_LEVELS, *sorted(outcomes.keys() - set(_LEVELS))]
    return [
        LevelStats(
            level=name,
            outcomes=outcomes.get(name, {}),
            held=held.get(name),
            stored=stored.get(name),
        )
        for name in names
    ]


def _outcomes(session: Session, tenant: str | None) -> dict[str, dict[str, Amount]]:
    statement = select(
        col(CacheStat.level),
        col(CacheStat.outcome),
        *(func.sum(col(getattr(CacheStat, name))) for name in _ADDED),
    ).group_by(col(CacheStat.level), col(CacheStat.outcome))
    if tenant is not None:
        statement = statement.where(col(CacheStat.tenant) == tenant)
    found: dict[str, dict[str, Amount]] = {}
    for level, outcome, number, steps, seconds in session.execute(statement):
        amount = Amount(number=int(number), steps_saved=steps, seconds_saved=seconds)
        found.setdefault(level, {})[outcome] = amount
    return found


def _stored(session: Session, tenant: str | None) -> dict[str, Holding]:
    images = select(func.count(), func.coalesce(func.sum(col(Image.size)), 0)).where(
        col(Image.doomed_at).is_(None)
    )
    latents = select(func.count(), func.coalesce(func.sum(col(ApproximateLatents.size)), 0)).join(
        ApproximateEntry,
        col(ApproximateEntry.generation_id) == col(ApproximateLatents.generation_id),
    )
    if tenant is not None:
        images = images.where(col(Image.tenant) == tenant)
        latents = latents.where(col(ApproximateEntry.tenant) == tenant)
    found = {}
    for level, statement in ((Level.RESULT, images), (Level.APPROXIMATE, latents)):
        entries, size = session.execute(statement).one()
        found[level.value] = Holding(size=int(size), entries=int(entries))
    return found


def _held(session: Session) -> dict[str, Holding]:
    statement = (
        select(
            col(CacheHolding.level),
            func.sum(col(CacheHolding.size)),
            func.sum(col(CacheHolding.entries)),
        )
        .where(col(CacheHolding.seen_at) >= func.now() - OUTDATED)
        .group_by(col(CacheHolding.level))
    )
    return {
        level: Holding(size=int(size), entries=int(entries))
        for level, size, entries in session.execute(statement)
    }
