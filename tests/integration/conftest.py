"""The real Postgres, Valkey and S3, started once; each test finds them empty."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import event

from core.broker import Broker
from core.db.engine import Database
from core.db.models import Generation
from core.domain.image_request import ImageRequest
from core.lifecycle import rescue
from core.lifecycle.claims import Claim
from core.settings import Settings
from core.storage import Storage
from local.infrastructure import DATABASE, Infrastructure
from tests.integration.shop import Shop
from tests.specs import wanted

ROOT = Path(__file__).parents[2]

_numbers = itertools.count(1)

EMPTY = """
do $$
declare
    name text;
    has_rows boolean;
    filled text[] := '{}';
begin
    perform pg_terminate_backend(pid, 10000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
    for name in
        select quote_ident(tablename) from pg_tables
        where schemaname = 'public' and tablename <> 'alembic_version'
    loop
        execute 'select exists (select from ' || name || ')' into has_rows;
        if has_rows then filled := filled || name; end if;
    end loop;
    if filled <> '{}' then
        execute 'truncate ' || array_to_string(filled, ', ') || ' restart identity cascade';
    end if;
end
$$
"""
"""Ends whatever an earlier test left connected, and truncates the tables that have rows."""


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infrastructure]:
    """The three services; the database `packshot` is migrated, and only a template."""
    with Infrastructure(tmp_path_factory.mktemp("services"), durable=False) as services:
        config = Config()
        config.set_main_option("script_location", str(ROOT / "migrations"))
        config.set_main_option("sqlalchemy.url", services.postgres.url(DATABASE))
        command.upgrade(config, "head")
        yield services


@pytest.fixture(scope="session", autouse=True)
def _one_boto_session() -> Iterator[None]:
    """Read botocore's description of S3 once: that takes longer than most tests."""
    session = boto3.session.Session()
    # Only the first client of a session must be made by one thread alone.
    session.client("s3", region_name="us-east-1").close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3.session, "Session", lambda: session)
        yield


@pytest.fixture(scope="session")
def shared_database(services: Infrastructure) -> str:
    """The name of the database that tests use one after the other."""
    services.postgres.create_database("shared", template=DATABASE)
    return "shared"


@pytest.fixture
def environment(
    request: pytest.FixtureRequest, services: Infrastructure
) -> Iterator[dict[str, str]]:
    """The settings of a process that uses an empty database and Valkey, and the bucket.

    Tests marked `own_database` get a new one: those that change tables or ask for plans, and those
    that start processes, which may outlive them for a moment.
    """
    services.valkey.flush()
    if request.node.get_closest_marker("own_database"):
        name = f"test_{next(_numbers)}"
        services.postgres.create_database(name, template=DATABASE)
        yield services.environment | {"PACKSHOT_DATABASE_URL": services.postgres.url(name)}
        services.postgres.drop_database(name)
    else:
        name = request.getfixturevalue("shared_database")
        with psycopg.connect(services.postgres.connection_string(name)) as connection:
            connection.execute(EMPTY)
        yield services.environment | {"PACKSHOT_DATABASE_URL": services.postgres.url(name)}


@pytest.fixture
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings)
    yield database
    database.close()


@pytest.fixture
def statements(database: Database) -> Callable[[], AbstractContextManager[list[str]]]:
    """Watch which statements are executed inside a block."""

    @contextmanager
    def watching() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection, _cursor, statement, *_: object) -> None:
            seen.append(statement)

        event.listen(database.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(database.engine, "before_cursor_execute", note)

    return watching


@pytest.fixture
def storage(settings: Settings) -> Iterator[Storage]:
    storage = Storage(settings)
    yield storage
    storage.close()


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    broker = Broker(settings)
    yield broker
    broker.close()


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


@pytest.fixture(name="wanted")
def _wanted() -> Callable[..., ImageRequest]:
    return wanted


@pytest.fixture
def lose(shop: Shop) -> Callable[[Claim], None]:
    """Let a lease run out, and the sweeper take the generation back."""

    def lose(claim: Claim) -> None:
        with shop.database.session() as session:
            session.get_one(Generation, claim.generation_id).lease_expires_at = datetime(
                2000, 1, 1, tzinfo=UTC
            )
        with shop.database.session() as session:
            rescue.recover_expired(session, max_attempts=3)

    return lose


@pytest.fixture
def at() -> Callable[..., datetime]:
    """Name a moment relative to now."""
    return lambda **values: datetime.now(UTC) + timedelta(**values)
