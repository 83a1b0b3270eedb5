"""Few rows and many come to the same, and fail the same."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.db import bulk_insert
from core.db.bulk_insert import insert_new, insert_rows
from core.db.models import Generation
from core.db.models.columns import new_id
from core.domain.lanes import Lane
from core.domain.states import GenerationState
from tests.integration.shop import wanted

TABLE = Generation.__table__


@pytest.fixture(params=[1, 1000], ids=["copy", "insert"])
def many(request, monkeypatch):
    monkeypatch.setattr(bulk_insert, "MANY", request.param)


@pytest.fixture
def rows():
    """Two rows, with what is hard to write down in them."""

    def row(fingerprint: str, prompt: str) -> dict:
        return wanted(prompt).decided("f" * 64).document() | {
            "id": new_id(),
            "tenant": "shop",
            "fingerprint": fingerprint,
            "bundle_revision": "r1",
            "lane": Lane.BULK,
            "state": GenerationState.QUEUED,
            "channels": ['a "b"', "\\N"],
            "approximation": None,
            "exact_fingerprint": None,
            "attempts": 0,
        }

    return [row("1", 'tab\t, newline\n, "quotes", \\N and \\. 帽子'), row("2", "")]


def stored(shop) -> list[dict]:
    return [one.model_dump() for one in sorted(shop.all(Generation), key=lambda one: one.id)]


def test_rows_are_stored_as_they_are(shop, many, rows):
    with shop.database.session() as session:
        insert_rows(session, TABLE, rows)
    for found, row in zip(stored(shop), rows, strict=True):
        assert row.items() <= found.items()
        assert found["created_at"]
        assert found["reusable"] is True


def test_what_is_there_is_left_alone_and_not_counted(shop, many, rows):
    with shop.database.session() as session:
        assert insert_new(session, TABLE, rows[:1]) == 1
    again = [rows[0] | {"id": new_id(), "prompt": "another"}, rows[1]]
    with shop.database.session() as session:
        assert insert_new(session, TABLE, again) == 1
        assert insert_new(session, TABLE, again) == 0
    assert [one["id"] for one in stored(shop)] == [one["id"] for one in rows]
    assert stored(shop)[0]["prompt"] == rows[0]["prompt"]


def test_what_is_there_is_an_error_where_it_must_not_be(shop, many, rows):
    with pytest.raises(IntegrityError), shop.database.session() as session:
        insert_rows(session, TABLE, [*rows, rows[0]])
    assert stored(shop) == []


def test_a_lost_connection_is_the_error_that_callers_know(shop, many, rows):
    with shop.database.session() as session:
        backend = session.execute(text("select pg_backend_pid()")).scalar_one()
        with shop.database.engine.connect() as other:
            other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": backend})
        with pytest.raises(DBAPIError):
            insert_rows(session, TABLE, rows)
        session.rollback()
    with shop.database.session() as session:
        insert_rows(session, TABLE, rows)
    assert len(stored(shop)) == 2
