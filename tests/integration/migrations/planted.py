"""Rows in all tables, whatever revision made them, and what became of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

ROWS = 6
"""In each table: one more than any state has values, so that each value occurs; the last row has
only what must be there."""

COLUMNS = """
select relname, attname, format_type(atttypid, atttypmod), attnotnull and not atthasdef
from pg_attribute join pg_class on pg_class.oid = attrelid
where relkind = 'r' and relnamespace = 'public'::regnamespace and attnum > 0
    and not attisdropped and relname <> 'alembic_version'
order by relname, attnum
"""
CHECKS = """
select conrelid::regclass::text, attname, pg_get_constraintdef(pg_constraint.oid)
from pg_constraint join pg_attribute on attrelid = conrelid and attnum = any(conkey)
where contype = 'c' and connamespace = 'public'::regnamespace
"""
PARENTS = """
select conrelid::regclass::text, confrelid::regclass::text from pg_constraint
where contype = 'f' and connamespace = 'public'::regnamespace
"""
KEYS = """
select conrelid::regclass::text, attname
from pg_constraint join pg_attribute on attrelid = conrelid and attnum = any(conkey)
where contype = 'p' and connamespace = 'public'::regnamespace
"""

Rows = Mapping[str, Mapping[tuple[Any, ...], Mapping[str, Any]]]
"""By table and key."""


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    kind: str
    required: bool
    allowed: Sequence[str]
    """Values that a check lists; none: any."""


Tables = Mapping[str, Sequence[Column]]


def plant(connection: psycopg.Connection[Any], columns: Tables | None = None) -> None:
    """Empty all tables, and put `ROWS` rows into each.

    Args:
        connection: In autocommit mode.
        columns: Tables and columns that are written, as a version of packshot knows them; None: all
            that are there.

    The ids in a row, and in what belongs to it in other tables, are all the same: so that rows are
    found by them where no foreign key says that they belong together.
    """
    columns = columns_of(connection) if columns is None else columns
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    connection.execute(sql.SQL("truncate {} cascade").format(names))
    for table in _parents_first(connection, columns):
        for number in range(ROWS):
            bare = number == ROWS - 1
            row = {
                one.name: _value(one, number) for one in columns[table] if one.required or not bare
            }
            connection.execute(
                sql.SQL("insert into {} ({}) values ({})").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(sql.Placeholder() * len(row)),
                ),
                list(row.values()),
            )


def rows(connection: psycopg.Connection[Any]) -> Rows:
    """Read all tables."""
    keys: dict[str, list[str]] = {}
    for table, name in connection.execute(KEYS).fetchall():
        keys.setdefault(table, []).append(name)
    found = {}
    for table, columns in columns_of(connection).items():
        names = [one.name for one in columns]
        selected = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table)
        )
        read = [
            dict(zip(names, row, strict=True)) for row in connection.execute(selected).fetchall()
        ]
        found[table] = {tuple(row[name] for name in sorted(keys[table])): row for row in read}
    return found


def changed(before: Rows, after: Rows) -> set[str]:
    """Name the tables that lost or got rows, and the columns that changed, of those that both have.

    A primary key that a revision changes makes other keys of the same rows: name no such table.
    """
    return {
        name
        for table in before.keys() & after.keys()
        for name in _changed_in(table, before[table], after[table])
    }


def _changed_in(table: str, before: Mapping[Any, Any], after: Mapping[Any, Any]) -> Iterator[str]:
    if len(before) != len(after):
        yield table
    if {len(key) for key in before} != {len(key) for key in after}:
        before, after = ({_first(row): row for row in one.values()} for one in (before, after))
    for key in before.keys() & after.keys():
        for column in before[key].keys() & after[key].keys():
            if before[key][column] != after[key][column]:
                yield f"{table}.{column}"


def _first(row: Mapping[str, Any]) -> Any:
    return next(iter(row.values()))


def columns_of(connection: psycopg.Connection[Any]) -> Tables:
    """Read which tables and columns there are, and what they take."""
    allowed = {
        (table, column): re.findall(r"'(\w+)'", check)
        for table, column, check in connection.execute(CHECKS).fetchall()
    }
    columns: dict[str, list[Column]] = {}
    for table, name, kind, required in connection.execute(COLUMNS).fetchall():
        one = Column(
            name=name, kind=kind, required=required, allowed=allowed.get((table, name), ())
        )
        columns.setdefault(table, []).append(one)
    return columns


def _parents_first(connection: psycopg.Connection[Any], tables: Mapping[str, Any]) -> Iterator[str]:
    waits_for: dict[str, set[str]] = {table: set() for table in tables}
    for child, parent in connection.execute(PARENTS).fetchall():
        if child in waits_for:
            waits_for[child].add(parent)
    while waits_for:
        free = sorted(table for table, parents in waits_for.items() if not parents & set(waits_for))
        yield from free
        for table in free:
            del waits_for[table]


def _value(column: Column, number: int) -> Any:
    if column.allowed:
        return column.allowed[number % len(column.allowed)]
    kind, _, size = column.kind.partition("(")
    values: dict[str, Any] = {
        "uuid": UUID(int=number + 1),
        "character varying": f"{column.name} {number}",
        "character varying[]": [f"{column.name} {number}"],
        "integer": number + 1,
        "bigint": 2**40 + number,
        "double precision": number + 0.5,
        "boolean": number % 2 == 0,
        "timestamp with time zone": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number),
        "jsonb": Jsonb({column.name: number}),
        "bytea": f"{column.name} {number}".encode(),
    }
    if kind == "halfvec":
        return str([float(number)] * int(size.rstrip(")")))
    return values[kind]
