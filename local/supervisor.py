"""Keeps the application's processes running."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.errors import ProcessFailedError
from local.processes import Command, Process
from local.service import Restart, Service

SHORT_LIFE_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


class Watched:
    """A service with its process and its record of early ends."""

    def __init__(self, service: Service, command: Command) -> None:
        self.service = service
        self.process = Process(command)
        self.started = 0.0
        self.pause = 0.0
        self.due: float | None = None
        """When to start it again; None while it runs."""

    def start(self) -> None:
        """Run it."""
        self.process = Process(self.process.command)
        self.process.start()
        self.started = time.monotonic()
        self.due = None

    def wait_until_ready(self) -> None:
        """Wait for its readiness, or for its end where it is to end."""
        service = self.service
        if service.restart is Restart.ONCE:
            if self.process.wait(service.ready_seconds) != 0:
                raise ProcessFailedError(self.process.last_words())
        elif service.ready is not None:
            self.process.wait_until(service.ready, seconds=service.ready_seconds)

    def schedule(self) -> None:
        """Decide when to start it again: at once, or ever later if it ends as soon as it starts."""
        now = time.monotonic()
        if now - self.started < SHORT_LIFE_SECONDS:
            self.pause = min(max(2 * self.pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        else:
            self.pause = 0.0
        self.due = now + self.pause


class Supervisor:
    """Starts services in order, brings back those that end, stops them in reverse order."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        environment: Mapping[str, str],
        logs: Path,
        keep_open: Sequence[int] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        self.say = say
        self._watched: list[Watched] = []
        for service in services:
            command = Command(
                name=service.name,
                argv=service.argv,
                environment={**os.environ, **environment, **service.environment},
                log=logs / f"{service.name}.log",
                stop_seconds=service.stop_seconds,
                keep_open=keep_open,
                niceness=service.niceness,
            )
            self._watched.append(Watched(service, command))

    def start(self) -> None:
        """Start one after the other, each when the one before is ready.

        Raises:
            ProcessFailedError: One ended or was not ready in time; what started is still there.
        """
        for watched in self._watched:
            watched.start()
            watched.wait_until_ready()

    def check(self) -> None:
        """Check every process once; call it from the thread that called `start`.

        Raises:
            ProcessFailedError: One ended that must not.
        """
        for watched in self._watched:
            if watched.service.restart is Restart.ONCE:
                continue
            if watched.due is not None:
                if time.monotonic() >= watched.due:
                    watched.start()
            elif watched.process.exit_code() is not None:
                self._ended(watched)
            watched.process.rotate_log()

    def _ended(self, watched: Watched) -> None:
        if watched.service.restart is Restart.NEVER:
            raise ProcessFailedError(watched.process.last_words())
        watched.process.stop()  # what it started goes with it
        watched.schedule()
        code = watched.process.exit_code()
        when = f"in {watched.pause:g} s" if watched.pause else "now"
        name = watched.service.name
        words = ""
        if code and watched.pause == FIRST_PAUSE_SECONDS:  # not again at each further end
            words = f"{watched.process.last_words()}\n"
        self.say(f"{words}{name} ended (exit code {code}); starting it again {when}")

    def stop(self, hurry: threading.Event | None = None) -> None:
        """Stop all; `hurry` cuts the waiting short."""
        for watched in reversed(self._watched):
            watched.process.stop(hurry)

    def processes(self) -> dict[str, int]:
        """Return the process ids of the running services by name."""
        return {
            watched.service.name: pid
            for watched in self._watched
            if (pid := watched.process.pid) is not None and watched.process.exit_code() is None
        }
