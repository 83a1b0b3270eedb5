"""Connections to Postgres: how long their statements may take, and what a pooler lets them have."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from core.db.connections import allow_long_statements, limit_statements
from core.db.engine import Database


@pytest.fixture
def quick(settings):
    database = Database(settings, statement_seconds=0.3)
    yield database
    database.close()


def shown(session, name: str) -> str:
    return session.execute(text(f"show {name}")).scalar_one()


def test_a_statement_that_takes_too_long_is_ended_by_postgres_and_the_connection_stays(quick):
    with quick.writer() as session:
        first = session.execute(text("select pg_backend_pid()")).scalar_one()
        with pytest.raises(OperationalError, match="statement timeout"):
            session.execute(text("select pg_sleep(60)"))
        session.rollback()
        assert session.execute(text("select pg_backend_pid()")).scalar_one() == first


def test_a_lock_is_waited_for_no_longer_than_a_statement(quick, database):
    with database.writer() as holder, quick.writer() as waiter:
        holder.execute(text("lock table job"))
        with pytest.raises(OperationalError, match="timeout"):
            waiter.execute(text("lock table job"))


def test_a_transaction_over_many_rows_may_take_longer_and_only_that_one(quick, settings):
    with quick.writer() as session:
        allow_long_statements(session)
        assert shown(session, "statement_timeout") == f"{settings.maintenance_timeout / 60:g}min"
        session.execute(text("select pg_sleep(0.5)"))
        limit_statements(session, 0.1)
        with pytest.raises(OperationalError, match="statement timeout"):
            session.execute(text("select pg_sleep(60)"))
    with quick.writer() as session:
        assert shown(session, "statement_timeout") == "300ms"


def test_behind_a_pooler_a_connection_has_no_options_and_no_prepared_statements(settings):
    database = Database(settings.model_copy(update={"database_pooler": True}))
    with database.writer() as session:
        assert shown(session, "statement_timeout") == "0"
        for _ in range(20):
            session.execute(text("select 1 where 1 = :one"), {"one": 1})
        prepared = session.execute(text("select count(*) from pg_prepared_statements"))
        assert prepared.scalar_one() == 0
        # What a transaction says of itself holds behind a pooler, too.
        limit_statements(session, 7)
        assert shown(session, "statement_timeout") == "7s"
    database.close()


def test_options_of_the_address_stay(settings):
    url = f"{settings.database_url}?options=-c%20application_name%3Dours"
    database = Database(settings.model_copy(update={"database_url": url}), statement_seconds=5)
    with database.writer() as session:
        assert shown(session, "application_name") == "ours"
        assert shown(session, "statement_timeout") == "5s"
    database.close()
