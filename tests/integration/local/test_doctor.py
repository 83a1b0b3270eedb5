"""`packshot doctor` on services that are well, and on those that are not."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from bundles.manifest_file import load_manifest
from cli.doctor import machine, services
from cli.doctor.finding import Condition
from cli.doctor.machine import look_at_machine
from cli.doctor.services import look_at_services
from cli.doctor.work import look_at_work
from cli.main import app
from core.errors import GenerationFailedError
from core.lifecycle import completion
from core.lifecycle.serving import announce
from tests.integration.shop import wanted
from tests.support.made_once import MadeOnce


@pytest.fixture
def bundle(made_once: MadeOnce) -> Path:
    return made_once.bundle()


def told(findings, condition: Condition) -> dict[str, str]:
    return {one.about: one.said for one in findings if one.condition is condition}


def test_services_that_are_well(settings, database):
    found = look_at_services(settings, database)
    assert told(found, Condition.BAD) == told(found, Condition.WORTH_KNOWING) == {}
    assert {one.about for one in found} == {"postgres", "schema", "clock", "redis", "s3"}
    good = told(found, Condition.GOOD)
    assert re.match(r"Postgres \d+(\.\d+)* answers", good["postgres"])
    assert re.match(r"(Redis|Valkey) \d+(\.\d+)* answers", good["redis"])


def test_services_that_are_away_are_named_with_what_to_do(settings, database):
    away = type(settings).model_validate(
        settings.model_dump()
        | {"broker_url": "redis://127.0.0.1:1/0", "s3_endpoint_url": "http://127.0.0.1:1"}
    )
    found = told(look_at_services(away, database), Condition.BAD)
    assert set(found) == {"redis", "s3"}
    assert "PACKSHOT_BROKER_URL" in found["redis"]


@pytest.mark.own_database
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update alembic_version set version_num = '0001'", "packshot migrate"),
        ("drop table alembic_version", "has no tables of packshot"),
    ],
)
def test_tables_of_another_version(settings, database, change, said):
    with database.session() as session:
        session.execute(text(change))
        session.commit()
    assert said in told(look_at_services(settings, database), Condition.BAD)["schema"]


def test_a_clock_that_is_wrong(settings, database, monkeypatch):
    monkeypatch.setattr(services, "_now", lambda: datetime.now(UTC) + timedelta(minutes=5))
    assert "300 seconds apart" in told(look_at_services(settings, database), Condition.BAD)["clock"]


def test_a_broker_that_may_drop_messages(settings, database, broker):
    before = broker.client.config_get("maxmemory-policy")
    broker.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = told(look_at_services(settings, database), Condition.BAD)
    finally:
        broker.client.config_set(*next(iter(before.items())))
    assert "allkeys-lru" in found["redis"]


def test_a_machine_without_a_bundle_and_one_that_is_too_large_for_it(settings, bundle, monkeypatch):
    folders = f"default={bundle},gone={bundle / 'nowhere'}"
    both = type(settings).model_validate(settings.model_dump() | {"models": folders})
    found = look_at_machine(both)
    assert "no model bundle" in told(found, Condition.BAD)["model gone"]
    assert "packshot tune" in told(found, Condition.WORTH_KNOWING)["model default"]
    monkeypatch.setattr(machine, "OF_BUNDLE", 1e9)
    assert "smaller model" in told(look_at_machine(both), Condition.BAD)["model default"]


def test_work_without_workers_and_with_some(settings, database, bundle):
    here = type(settings).model_validate(settings.model_dump() | {"models": f"default={bundle}"})
    assert "Start one" in told(look_at_work(here, database), Condition.BAD)["workers"]
    with database.session() as session:
        announce(session, "another", ["0" * 64])
        session.commit()
    assert "None serves the model" in told(look_at_work(here, database), Condition.BAD)["workers"]
    with database.session() as session:
        announce(session, "one", [load_manifest(bundle).revision])
        session.commit()
    assert told(look_at_work(here, database), Condition.BAD) == {}


def test_what_failed_and_what_waits_long(settings, database, shop):
    (job,) = shop.want(wanted(prompt="a mug that fails")).job_ids
    claim = shop.start(job)
    with database.session() as session:
        assert completion.fail(session, claim, GenerationFailedError("it broke"))
    shop.want(wanted(prompt="a mug that waits"))
    with database.session() as session:
        session.execute(
            text(
                "update generation set created_at = now() - interval '3 hours' "
                "where state = 'queued'"
            )
        )
        session.commit()
    found = told(look_at_work(settings, database), Condition.WORTH_KNOWING)
    assert "1 images failed within a day" in found["failures"]
    assert "180 minutes" in found["queue"]


def test_the_command_says_it_and_its_exit_code_too(settings, environment, database, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ended = CliRunner().invoke(app, ["doctor", "--json"])
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.exit_code == 1
    assert {"about": "s3", "condition": "good"}.items() <= next(
        line for line in lines if line["about"] == "s3"
    ).items()
    assert any(line["about"] == "workers" and line["condition"] == "bad" for line in lines)
