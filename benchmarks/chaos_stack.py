"""The embedded stack with every process of it open to blows.

`local.stack.Stack` ends with its infrastructure, which is right for people. Here Postgres, Valkey
and S3 come back on the same data and the same ports, as under a supervisor of their own.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import redis

from benchmarks.chaos_plan import Blow, Kind
from local.infrastructure import BUCKET, Infrastructure
from local.ports import is_free
from local.postgres import Postgres
from local.s3 import S3
from local.service import Service
from local.supervisor import Supervisor
from local.valkey import Valkey

ROOT = Path(__file__).parents[1]
SLOWNESS = 5
"""A server that is slow runs in one of so many looks."""


class _Struck:
    """A server of the infrastructure, and what was done to it."""

    def __init__(self, server: Postgres | S3 | Valkey) -> None:
        self.server = server
        self.family: Sequence[psutil.Process] = ()
        """It and its children, when it was struck last."""
        self.kind: Kind | None = None
        """What was done to it that is not over; None: nothing."""
        self.until = 0.0
        """When it goes on, by the monotonic clock."""
        self._looks = 0
        self.prepared = True
        """Whether it has what `Infrastructure.start` makes."""

    @property
    def running(self) -> bool:
        process = self.server.process
        return process is not None and process.exit_code() is None and self.kind is None

    def strike(self, blow: Blow, family: Sequence[psutil.Process]) -> None:
        """Do to it what a blow says."""
        self.family, self.until = family, time.monotonic() + blow.away
        if blow.kind is Kind.KILLED:
            _each(family, psutil.Process.kill)
            return
        self.kind = blow.kind
        if blow.kind is Kind.FULL:
            self._limit_memory("1")
        else:
            _each(family, psutil.Process.suspend)

    def heal(self) -> None:
        """End what is not killed."""
        if self.kind is Kind.FULL:
            self._limit_memory("0")
        elif self.kind is not None:
            _each(self.family, psutil.Process.resume)
        self.kind = None

    def _limit_memory(self, size: str) -> None:
        if isinstance(self.server, Valkey):
            with redis.Redis.from_url(self.server.url(), socket_timeout=5) as client:
                client.config_set("maxmemory", size)

    def look(self) -> None:
        """Continue it when its time has come, or for a moment where it is slow."""
        self._looks += 1
        if self.running and not self.prepared:
            self._prepare()
        if self.running:
            return
        if time.monotonic() < self.until:
            if self.kind is Kind.SLOW:
                runs = self._looks % SLOWNESS == 0
                _each(self.family, psutil.Process.resume if runs else psutil.Process.suspend)
            return
        if self.kind is not None:
            self.heal()
        elif not any(map(_is_alive, self.family)) and is_free(self.server.port):
            # Postgres's children outlive it for a moment, and two servers on one folder would be
            # its end.
            self._start_again()

    def _start_again(self) -> None:
        port = self.server.port
        self.server.launch()
        if self.server.port != port:
            raise SystemExit(f"somebody else has taken port {port}: run it once more")
        self.prepared = False

    def _prepare(self) -> None:
        """Make what is made at every start: this S3 forgets a bucket that is empty."""
        with contextlib.suppress(Exception):  # it does not answer yet
            if isinstance(self.server, S3):
                self.server.ensure_bucket(BUCKET)
            self.prepared = True


class FragileStack:
    """The infrastructure and the application; a context manager, for one thread alone."""

    def __init__(
        self,
        home: Path,
        services: Sequence[Service],
        *,
        settings: Mapping[str, str],
        say: Callable[[str], None] = print,
    ) -> None:
        # Durable: what Postgres has said that it committed must be there after SIGKILL.
        self.infrastructure = Infrastructure(home, durable=True)
        self.environment: dict[str, str] = {}
        """Settings of processes that use the stack; complete inside the context."""
        self.struck: list[tuple[float, Blow]] = []
        """Every blow that was dealt, and when, by the monotonic clock."""
        self._services = services
        self._settings = settings
        self._say = say
        self._servers: dict[str, _Struck] = {}
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        self.infrastructure.start()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        made = self.infrastructure
        self._servers = {
            "valkey": _Struck(made.valkey),
            "s3": _Struck(made.s3),
            "postgres": _Struck(made.postgres),
        }
        self.environment = {
            "PYTHONPATH": str(ROOT),
            **made.environment,
            **self._settings,
        }
        self._supervisor = Supervisor(
            self._services,
            environment=self.environment,
            logs=made.home / "logs",
            say=self._say,
        )
        self._supervisor.start()

    def check(self) -> None:
        """Look after everything once: what is away comes back when its time has come."""
        for struck in self._servers.values():
            struck.look()
        if self._supervisor is not None:
            self._supervisor.check()

    def strike(self, blow: Blow) -> bool:
        """Deal a blow; false where its target does not run at the moment."""
        struck = self._servers.get(blow.target)
        if struck is not None and not struck.running:
            return False
        pid = self._processes().get(blow.target)
        if pid is None:
            return False
        family = _family(pid)
        if not family or not _is_alive(family[0]):
            return False  # it has just ended, and nobody has looked since
        if struck is not None:
            struck.strike(blow, family)
        else:
            _each(family, psutil.Process.kill)
        self.struck.append((time.monotonic(), blow))
        return True

    def stop(self) -> None:
        """Stop everything; the data stay."""
        for struck in self._servers.values():
            with contextlib.suppress(Exception):
                struck.heal()
        if self._supervisor is not None:
            self._supervisor.stop()
        self.infrastructure.stop()

    def _processes(self) -> dict[str, int]:
        found = {
            name: struck.server.process.pid
            for name, struck in self._servers.items()
            if struck.server.process is not None and struck.server.process.pid is not None
        }
        return found | (self._supervisor.processes() if self._supervisor is not None else {})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _family(pid: int) -> list[psutil.Process]:
    """Give a process and all its children; none when it has just ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _each(family: Sequence[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            act(process)


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def deal(
    stack: FragileStack, blows: Sequence[Blow], *, seconds: float, say: Callable[[str], None]
) -> Iterator[None]:
    """Deal every blow at its moment, for so long or until the last one; a step at a time.

    A blow whose target is away waits until that runs again.
    """
    begun, left = time.monotonic(), list(blows)
    while left or time.monotonic() - begun < seconds:
        passed = time.monotonic() - begun
        for blow in [one for one in left if one.at <= passed]:
            if stack.strike(blow):
                left.remove(blow)
                say(f"{passed:6.1f} s  {_words(blow)}")
        stack.check()
        yield


def _words(blow: Blow) -> str:
    return f"{blow.target} {blow.kind.value}" + (f" for {blow.away:.1f} s" if blow.away else "")
