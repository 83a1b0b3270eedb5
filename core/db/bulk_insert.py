"""Rows into a table: a few with INSERT, many with COPY, which takes a third of the time.

https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import Table, column, insert, select, text
from sqlalchemy import table as table_clause
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from core.db.engine import Database

MANY = 200
"""Rows from which COPY is worth its round trips."""

ANALYZED = 1000
"""Rows from which new statistics for the planner are worth a look at the tables."""

_COUNTED = {"preserve_rowcount": True}

Rows = Sequence[Mapping[str, Any]]
"""Values by the names of columns: the same ones in each row."""


def insert_rows(session: Session, table: Table, rows: Rows) -> None:
    """Insert rows, none of which is there.

    Raises:
        sqlalchemy.exc.IntegrityError: One is there, or belongs to a row that is not.
    """
    if len(rows) >= MANY:
        _copy(session, table, rows, into=table.name)
    elif rows:
        session.execute(insert(table), rows)


def insert_new(session: Session, table: Table, rows: Rows) -> int:
    """Insert those of these rows that are not there, in their order.

    Returns:
        How many they are.
    """
    if len(rows) < MANY:
        done = session.execute(
            upsert(table).on_conflict_do_nothing(), rows, execution_options=_COUNTED
        )
        return int(done.rowcount)  # type: ignore[attr-defined]
    # COPY itself fails at the first row that is there.
    incoming = table_clause("incoming", *(column(name) for name in rows[0]))
    session.execute(
        text(f"create temp table incoming (like {table.name} including defaults) on commit drop")
    )
    _copy(session, table, rows, into=incoming.name)
    done = session.execute(
        upsert(table)
        .from_select(list(rows[0]), select(incoming), include_defaults=False)
        .on_conflict_do_nothing(),
        execution_options=_COUNTED,
    )
    session.execute(text("drop table incoming"))
    return int(done.rowcount)  # type: ignore[attr-defined]


def analyze(database: Database) -> None:
    """Refresh the planner's statistics, as Postgres' manual advises after many rows came at once.

    Until Postgres does so by itself, a minute later, statements keep plans that were made for a
    small table: recording an image would read all of it. Does nothing where another one analyzes.
    """
    with database.reader() as session:
        session.execute(text("analyze (skip_locked) job, generation"))


def _copy(session: Session, table: Table, rows: Rows, *, into: str) -> None:
    connection = session.connection()
    # What writes a column's values as SQLAlchemy does; None: they go as they are.
    writers = {
        name: table.c[name].type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        for name in rows[0]
    }
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(into), sql.SQL(", ").join(map(sql.Identifier, writers))
    )
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(
                    [write(row[name]) if write else row[name] for name, write in writers.items()]
                )
    except psycopg.Error as error:
        # Callers and the pool know SQLAlchemy's errors; what was copied is in no log.
        if driver.broken:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement.as_string(),
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=driver.broken,
        ) from error
