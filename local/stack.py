"""Everything that `packshot up` runs, started and stopped as one."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from local.infrastructure import Infrastructure
from local.lock import HomeLock
from local.processes import Process
from local.server_watch import ServerWatch
from local.service import Service
from local.supervisor import Supervisor

CHECK_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ROOT = Path(__file__).parents[1]


def _python_variables() -> dict[str, str]:
    """Return what lets children find packshot, and not a folder of the same name where they are."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _none(_: Mapping[str, str]) -> Sequence[Service]:
    return ()


class Stack:
    """The infrastructure and the application on the data in `home`.

    Use it as a context manager in the main thread. Inside, SIGINT, SIGTERM and SIGHUP raise
    KeyboardInterrupt unless they were ignored; while it stops, another one cuts the waiting
    short::

        with Stack(home, services, urls={"API": "http://127.0.0.1:8000"}) as stack:
            stack.wait()

    `services` gets the settings of the running infrastructure as environment variables and
    returns what to run on it, in order. `settings` are further variables for every service.
    `urls` are told to whoever tries to start a second stack on the same data.
    """

    def __init__(
        self,
        home: Path,
        services: Callable[[Mapping[str, str]], Sequence[Service]] = _none,
        *,
        settings: Mapping[str, str] | None = None,
        urls: Mapping[str, str] | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.home = home.expanduser().resolve()
        self.environment: dict[str, str] = {}
        """Settings of processes that use the stack; complete after the start."""
        self._services = services
        self._settings = dict(settings or {})
        self._urls = dict(urls or {})
        self._say = say
        self._lock = HomeLock(self.home)
        self._infrastructure: Infrastructure | None = None
        self._watches: Sequence[ServerWatch] = ()
        self._supervisor: Supervisor | None = None
        self._hurry = threading.Event()
        self._handlers: dict[signal.Signals, Any] = {}

    def start(self) -> None:
        """Start everything, in order, and return when all of it is ready.

        Raises:
            AlreadyRunningError: A stack runs on the same data.
            ProcessFailedError: Something did not start; all of it is stopped again.
        """
        keep_open = [self._lock.acquire()]
        try:
            self._infrastructure = Infrastructure(self.home, keep_open=keep_open)
            self._infrastructure.start()
            self._watches = [
                ServerWatch(server, self._say) for server in self._infrastructure.servers
            ]
            self.environment = {
                **_python_variables(),
                **self._infrastructure.environment,
                **self._settings,
            }
            self._lock.describe({"urls": self._urls, "environment": self.environment})
            self._supervisor = Supervisor(
                self._services(self.environment),
                environment=self.environment,
                logs=self.home / "logs",
                keep_open=keep_open,
                say=self._say,
            )
            self._supervisor.start()
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Check the processes once; call it often while doing other things.

        Raises:
            ProcessFailedError: A process ended that must not, or a server keeps ending; its name
                and log are in the message.
        """
        for watch in self._watches:
            watch.check()
        for process in self._infrastructure_processes():
            process.rotate_log()
        if self._supervisor is not None:
            self._supervisor.check()

    def wait(self) -> None:
        """Supervise the processes until a signal comes.

        Raises:
            KeyboardInterrupt: It came.
            ProcessFailedError: A process ended that must not.
        """
        while True:
            self.check()
            time.sleep(CHECK_SECONDS)

    def stop(self) -> None:
        """Stop the services, then the infrastructure, in reverse order; the data stay."""
        for number in self._handlers:
            signal.signal(number, self._hurry_up)
        if self._supervisor is not None:
            self._supervisor.stop(self._hurry)
        if self._infrastructure is not None:
            self._infrastructure.stop()
        self._supervisor = self._infrastructure = None
        self._lock.release()

    def processes(self) -> dict[str, int]:
        """Return the process ids of all that runs, by name."""
        found = {
            process.command.name: process.pid
            for process in self._infrastructure_processes()
            if process.pid is not None
        }
        return found | (self._supervisor.processes() if self._supervisor is not None else {})

    def _infrastructure_processes(self) -> list[Process]:
        servers = self._infrastructure.servers if self._infrastructure is not None else ()
        return [server.process for server in servers if server.process is not None]

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's wish, for example
                self._handlers[number] = signal.signal(number, signal.default_int_handler)
        try:
            self.start()
        except BaseException:
            self._restore_handlers()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._restore_handlers()

    def _hurry_up(self, _number: int, _frame: FrameType | None) -> None:
        self._hurry.set()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
