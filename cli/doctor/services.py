"""Postgres, Redis and S3: whether they answer, take writes, and agree on the time."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlmodel import Session

from cli.doctor.finding import Finding, asking, bad, good, worth_knowing
from core.broker import Broker
from core.db.engine import DATABASE_ERRORS, Database
from core.errors import ServiceDownError, first_line
from core.settings import Settings
from core.storage import Storage
from migrations import configuration

APART_SECONDS = 2.0
"""Leases and retention go by Postgres's clock; more than that is no delay of an answer."""
FULL = 0.9
"""Share of Redis's memory beyond which it will soon refuse."""


def look_at_services(settings: Settings, database: Database) -> list[Finding]:
    """Look at all three."""
    with closing(Broker(settings)) as broker, closing(Storage(settings)) as storage:
        return [
            *asking("postgres", lambda: _postgres(database)),
            *asking("redis", lambda: _redis(broker)),
            *asking("s3", lambda: _s3(storage)),
        ]


def _postgres(database: Database) -> Iterator[Finding]:
    database.check()
    where = f"{database.url.host}:{database.url.port}/{database.url.database}"
    try:
        with database.reader() as session:
            version = str(session.execute(text("show server_version")).scalar_one()).split()[0]
            now = session.execute(text("select clock_timestamp()")).scalar_one()
            apart = abs((_now() - now).total_seconds())
            yield good("postgres", f"Postgres {version} answers at {where}.")
            yield from _schema(session)
    except ProgrammingError:
        yield bad("schema", f"{where} has no tables of packshot. Run `packshot migrate`.")
        return
    except DATABASE_ERRORS as error:
        raise ServiceDownError(f"Postgres at {where} fails ({first_line(error)}).") from error
    if apart > APART_SECONDS:
        yield bad(
            "clock",
            f"This machine's clock and that of Postgres are {apart:,.0f} seconds apart: leases, "
            "limits and signatures of webhooks go wrong. Let both follow a time server (NTP).",
        )
    else:
        yield good("clock", "This machine's clock agrees with that of Postgres.")


def _now() -> datetime:
    return datetime.now(UTC)


def _schema(session: Session) -> Iterator[Finding]:
    newest = ScriptDirectory.from_config(configuration("")).get_current_head()
    there = session.execute(text("select version_num from alembic_version")).scalar_one()
    if there == newest:
        yield good("schema", f"The tables are those of this version ({newest}).")
    else:
        yield bad(
            "schema",
            f"The tables are at revision {there}, and this version is made for {newest}. Run "
            "`packshot migrate`, or install the version that the tables were made by.",
        )


def _redis(broker: Broker) -> Iterator[Finding]:
    broker.check_writes()
    yield good("redis", f"{broker.version()} answers at {broker.address} and takes writes.")
    memory = broker.memory()
    if memory.policy not in ("", "noeviction"):
        yield bad(
            "redis",
            f"Redis may drop messages when it is full (maxmemory-policy {memory.policy}): their "
            "images start late. Set it to noeviction.",
        )
    if memory.limit and memory.used > FULL * memory.limit:
        yield worth_knowing(
            "redis",
            f"Redis uses {memory.used / memory.limit:.0%} of the memory that it may have, and "
            "refuses messages when that is full. Give it more (maxmemory).",
        )


def _s3(storage: Storage) -> Iterator[Finding]:
    storage.check_writes()
    yield good("s3", f"S3 answers at {storage.address} and stores in bucket {storage.bucket}.")
