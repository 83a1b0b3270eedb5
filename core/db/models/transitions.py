"""The UPDATE statements that move rows from one state to another: nothing else writes a state.

Each names the states that a row may come from, so that a late or repeated one matches no row.
"""

from typing import Any

from sqlalchemy import BigInteger, Text, Update, cast, func, update

from core.domain.states import (
    LOST,
    REOPENED,
    GenerationState,
    JobState,
    State,
    is_final,
    sources_of,
)

_OWN_TRANSACTION = cast(cast(func.pg_current_xact_id(), Text), BigInteger)


def change(table: type[Any], target: State) -> Update:
    """Start the UPDATE that moves rows of `table` to `target`.

    Only rows in a legal source state match. Reaching a final state sets `finished_at`, of a job
    `finished_xid` too; starting to run sets `started_at`. The caller adds WHERE clauses and further
    values.
    """
    statement = update(table).where(table.state.in_(sources_of(target))).values(state=target)
    if is_final(target):
        statement = statement.values(finished_at=func.now())
        if isinstance(target, JobState):
            statement = statement.values(finished_xid=_OWN_TRANSACTION)
        return statement
    if target in (JobState.RUNNING, GenerationState.RUNNING):
        return statement.values(started_at=func.now())
    return statement


def reopen(table: type[Any]) -> Update:
    """Start the UPDATE that lets ended rows of `table` begin anew: failed jobs, completed batches.

    The caller adds WHERE clauses and further values.
    """
    source, target = REOPENED[table.state.type.enum_class]
    return update(table).where(table.state == source).values(state=target, finished_at=None)


def lose(table: type[Any]) -> Update:
    """Start the UPDATE that fails ended rows of `table` whose image S3 has lost."""
    source, target = LOST
    return update(table).where(table.state == source).values(state=target)
