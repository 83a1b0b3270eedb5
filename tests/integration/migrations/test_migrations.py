"""The revisions make exactly the tables that the code expects."""

import itertools

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlmodel import SQLModel

import migrations
from core.db.models import NO_KEY
from tests.integration.migrations.planted import ROWS, changed, columns_of, plant, rows


@pytest.fixture
def url(services):
    """An empty database."""
    services.postgres.create_database("migrations")
    yield services.postgres.url("migrations")
    services.postgres.drop_database("migrations")


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found - {"alembic_version"}


def test_from_nothing_to_the_models_and_back(url: str):
    config = migrations.configuration(url)
    migrations.upgrade(url)
    assert tables(url) == set(SQLModel.metadata.tables)
    command.check(config)  # raises when a model and its table differ
    command.downgrade(config, "base")
    assert tables(url) == set()


CHANGED_ON_THE_WAY_UP = {"0013": {"backlog"}, "0029": {"api_key.scopes"}}
"""Backlogs in which nothing waits are deleted; what may do everything may review, too."""
EXPANDS_SINCE = "0024"
"""From this revision on a step only adds, so that an upgrade needs no downtime: what the version
before it reads and writes stays until the step after the next release."""
CHANGED_ON_THE_WAY_DOWN = {
    # What only one request may have gets a fingerprint that nobody else asks for.
    "0002": {"generation.fingerprint"},
    "0003": {"job.cache"},
    "0029": {"api_key.scopes"},
    "0043": {"publish_target.kind", "publish_target.credentials", "publish_target.deleted_at"},
}
"""What an older version does not know becomes the nearest thing that it does know."""
MADE_ANEW = {"0002": {"image.last_used_at"}, "0006": {"image.token"}}
"""What a revision fills with the moment, or at random."""
NOT_RESTORED = {
    "0013": {"backlog"},
    "0016": {"cache_holding", "cache_stat"},
    "0018": {"batch.bundle_revision"},
}
"""What a revision drops is not there after the way back."""


def test_every_step_keeps_the_rows_of_all_tables_both_ways(url: str):
    config = migrations.configuration(url)
    script = ScriptDirectory.from_config(config)
    revisions = [one.revision for one in reversed(list(script.walk_revisions()))]
    command.upgrade(config, revisions[0])
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for older, newer in itertools.pairwise(revisions):
            plant(connection)
            planted = rows(connection)
            assert {len(table) for table in planted.values()} == {ROWS}
            command.upgrade(config, newer)
            newest = rows(connection)
            assert changed(planted, newest) == CHANGED_ON_THE_WAY_UP.get(newer, set()), newer
            command.downgrade(config, older)
            assert changed(planted, rows(connection)) == NOT_RESTORED.get(newer, set()), newer
            command.upgrade(config, newer)
            assert changed(newest, rows(connection)) == MADE_ANEW.get(newer, set()), newer
            plant(connection)
            planted = rows(connection)
            command.downgrade(config, older)
            found = changed(planted, rows(connection))
            assert found == CHANGED_ON_THE_WAY_DOWN.get(newer, set()), newer
            command.upgrade(config, newer)


def test_the_version_before_reads_and_writes_the_newer_tables(url: str):
    config = migrations.configuration(url)
    script = ScriptDirectory.from_config(config)
    revisions = [one.revision for one in reversed(list(script.walk_revisions()))]
    revisions = revisions[revisions.index(EXPANDS_SINCE) :]
    command.upgrade(config, revisions[0])
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for older, newer in itertools.pairwise(revisions):
            known = columns_of(connection)
            plant(connection)
            command.upgrade(config, newer)
            # Columns that it writes and reads are there, and nothing else has to be filled.
            plant(connection, known)
            found = rows(connection)
            lost = {
                f"{table}.{column.name}"
                for table, columns in known.items()
                for column in columns
                if not all(column.name in row for row in found[table].values())
            }
            assert lost == set(), f"{newer} takes from {older} what its version reads"


def test_running_it_again_changes_nothing(url: str):
    migrations.upgrade(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("insert into api_key values (gen_random_uuid(),'t','n','p','d')"))
    migrations.upgrade(url)
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from api_key")).scalar() == 1
    engine.dispose()


def test_what_is_queued_when_keys_are_noted_stays_queued_both_ways(url: str):
    config = migrations.configuration(url)
    command.upgrade(config, "0009")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(QUEUED)
    command.upgrade(config, "0010")
    with engine.connect() as connection:
        assert connection.execute(text("select api_key_id from generation")).scalar() == NO_KEY
    command.downgrade(config, "0009")
    with engine.connect() as connection:
        assert connection.execute(text("select state from generation")).scalar() == "queued"
    engine.dispose()


def test_of_a_workers_models_the_one_announced_last_is_left_on_the_way_back(url: str):
    config = migrations.configuration(url)
    command.upgrade(config, "0017")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "insert into worker (name, bundle_revision, seen_at) values"
                " ('a', 'r1', now()), ('a', 'r2', now()), ('b', 'r9', now()),"
                " ('b', 'r1', now() + interval '1 second')"
            )
        )
    command.downgrade(config, "0016")
    with engine.connect() as connection:
        rows = connection.execute(text("select name, bundle_revision from worker order by name"))
        assert rows.all() == [("a", "r2"), ("b", "r1")]
    engine.dispose()


QUEUED = text(
    "insert into generation (id, tenant, fingerprint, bundle_revision, lane, state, attempts,"
    " prompt, negative_prompt, width, height, steps, guidance_scale, scheduler, seed)"
    " values (gen_random_uuid(), 't', 'f', 'r', 'standard', 'queued', 0,"
    " '', '', 64, 64, 4, 1.0, 'ddim', 1)"
)


def test_the_model_of_a_batch_goes_to_its_open_jobs_and_back(url: str):
    config = migrations.configuration(url)
    command.upgrade(config, "0017")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(QUEUED)
        connection.execute(BATCH)
        connection.execute(JOBS)
    command.upgrade(config, "0018")
    with engine.connect() as connection:
        rows = connection.execute(text("select state, bundle_revision from job order by state"))
        assert rows.all() == [("queued", "r"), ("succeeded", None)]
    command.downgrade(config, "0017")
    with engine.connect() as connection:
        assert connection.execute(text("select bundle_revision from batch")).scalar() == "r"
    engine.dispose()


BATCH = text(
    "insert into batch (id, tenant, name, lane, state, columns, warnings, total_jobs, open_jobs)"
    " values (gen_random_uuid(), 't', '', 'standard', 'running', '[]', '[]', 2, 1)"
)
JOBS = text(
    "insert into job (id, tenant, batch_id, generation_id, position, row, sku, variant,"
    " fingerprint, lane, state, cache, prompt, negative_prompt, width, height, steps,"
    " guidance_scale, scheduler, seed)"
    " select gen_random_uuid(), 't', batch.id, generation.id, 0, '{}', 's', 1, 'f', 'standard',"
    " states.one, 'miss', '', '', 64, 64, 4, 1.0, 'ddim', 1"
    " from batch, generation, unnest(array['queued', 'succeeded']) as states(one)"
)
