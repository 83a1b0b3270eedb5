"""What every process counted, added up in Postgres."""

import pytest
from sqlalchemy.exc import OperationalError

from core import cache_ledger
from core.cache_stats import Counters, Holding, Level, Outcome
from core.db.engine import Database
from core.flusher import Flusher


def counted(database, tenant=None):
    with database.session() as session:
        stats = cache_ledger.read(session, tenant=tenant)
    return {
        (one.level, outcome): (amount.number, amount.steps_saved, amount.seconds_saved)
        for one in stats
        for outcome, amount in one.outcomes.items()
    }


def test_processes_add_up_and_tenants_see_their_own(database):
    processes = [Counters(), Counters()]
    for counters in processes:
        counters.count(Level.RESULT, Outcome.HIT, tenant="shop", steps_saved=20, seconds_saved=1.5)
        counters.count(Level.RESULT, Outcome.HIT, tenant="other", steps_saved=1)
        cache_ledger.flush(database, counters)
        cache_ledger.flush(database, counters)
    assert counted(database, "shop") == {("result", "hit"): (2, 40, 3.0)}
    assert counted(database, "other") == {("result", "hit"): (2, 2, 0)}
    assert counted(database) == {("result", "hit"): (4, 42, 3.0)}


def test_every_level_is_listed_even_if_nothing_happened(database):
    with database.session() as session:
        assert [one.level for one in cache_ledger.read(session)] == list(Level)


def test_what_is_held_is_renewed_and_shown_to_no_tenant(database):
    counters = Counters()
    for size in (10, 30):
        counters.hold(Level.EMBEDDING, size=size, entries=1)
        cache_ledger.flush(database, counters)
    with database.session() as session:
        held = {one.level: one.held for one in cache_ledger.read(session)}
        foreign = [one.held for one in cache_ledger.read(session, tenant="shop")]
    assert held[Level.EMBEDDING] == Holding(size=30, entries=1)
    assert foreign == [None] * len(Level)


def test_without_postgres_counts_wait_for_it(database, settings):
    counters = Counters()
    counters.count(Level.RESULT, Outcome.MISS, tenant="shop")
    away = settings.model_copy(
        update={"database_url": "postgresql+psycopg://nobody@127.0.0.1:9/none"}
    )
    with pytest.raises(OperationalError):
        cache_ledger.flush(Database(away), counters)
    Flusher([lambda: cache_ledger.flush(Database(away), counters)], seconds=1).flush()
    cache_ledger.flush(database, counters)
    assert counted(database) == {("result", "miss"): (1, 0, 0)}


def test_a_flusher_writes_the_rest_when_it_stops():
    written = []
    flusher = Flusher([lambda: written.append(1)], seconds=3600)
    flusher.start()
    flusher.stop()
    assert written == [1]
