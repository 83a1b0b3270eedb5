"""Child processes that have their own log and never outlive their parent."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.errors import ProcessFailedError
from local.launch import Identity, launcher

POLL_SECONDS = 0.02
LOG_BYTES = 10 * 2**20


def clean_environment() -> dict[str, str]:
    """Return the variables that a program other than packshot needs, and no others.

    A `PGDATA` or `AWS_PROFILE` meant for something else must not reach the embedded services.
    """
    kept = ("PATH", "HOME", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run, and how it ends."""

    name: str
    """What people call it; also the name of its log file."""
    argv: Sequence[str]
    environment: Mapping[str, str]
    """All of its variables: nothing is inherited."""
    log: Path
    """Its standard output and error are appended here."""
    folder: Path | None = None
    """Working folder; None keeps the caller's."""
    identity: Identity | None = None
    """Who it runs as; None: who we are."""
    stop_signals: Sequence[signal.Signals] = (signal.SIGTERM,)
    """Sent one after the other, `stop_seconds` apart, until it ends; then comes SIGKILL."""
    stop_seconds: float = 10.0
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when the parent dies, however that happens."""
    keep_open: Sequence[int] = ()
    """File descriptors it inherits."""
    niceness: int = 0
    """As of nice(2): whoever has less goes first."""


class Process:
    """One running command.

    Start it from a thread that lives as long as the process should: the kernel takes the end of
    the thread that started a child for the death of its parent.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> None:
        """Run the command in a session of its own, so that Ctrl-C reaches only the supervisor."""
        command = self.command
        command.log.parent.mkdir(parents=True, exist_ok=True)
        self.rotate_log()
        with command.log.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._popen = subprocess.Popen(  # noqa: S603 - our own programs
                    [*self._launcher(), *command.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(command.environment),
                    cwd=command.folder,
                    start_new_session=True,
                    pass_fds=command.keep_open,
                )
            except OSError as error:
                raise ProcessFailedError(
                    f"{command.name} cannot be started ({error}): correct that, and try again."
                ) from error

    def rotate_log(self) -> None:
        """Rotate a log that has become large, also while the process writes to it.

        It is copied and emptied, as programs keep it open and write at its end, wherever that is;
        what they write in the moment between the two is lost. On a full disk there is no room for
        the copy: the log stays as it is, and there is one again when there is room.
        """
        log = self.command.log
        copy = log.with_suffix(".log.1")
        try:
            if log.stat().st_size > LOG_BYTES:
                shutil.copyfile(log, copy)
                os.truncate(log, 0)
                self._log_start = 0
        except FileNotFoundError:
            pass
        except OSError:
            copy.unlink(missing_ok=True)

    def _launcher(self) -> list[str]:
        command = self.command
        return launcher(command.death_signal, command.identity, niceness=command.niceness)

    @property
    def pid(self) -> int | None:
        """Return its process id, or None before it was started."""
        return self._popen.pid if self._popen else None

    def exit_code(self) -> int | None:
        """Return how it ended (negative: by that signal), or None while it runs."""
        return self._popen.poll() if self._popen else None

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; return its exit code, or None when the time is up."""
        self._ended_within(seconds, None)
        return self.exit_code()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Poll until `ready()` is true; what it raises meanwhile counts as "not yet".

        Raises:
            ProcessFailedError: The process ended, or the time is up.
        """
        deadline = time.monotonic() + seconds
        reason = ""
        while True:
            if self.exit_code() is not None:
                raise ProcessFailedError(self.last_words())
            try:
                if ready():
                    return
            except Exception as error:
                reason = f" ({error})"
            if time.monotonic() > deadline:
                raise ProcessFailedError(
                    f"{self.command.name} was not ready after {seconds:g} s{reason}. "
                    + self._log_tail()
                )
            time.sleep(POLL_SECONDS)

    def last_words(self) -> str:
        """Describe how it ended, with the end of its log."""
        code = self.exit_code()
        how = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
        return f"{self.command.name} ended ({how}). {self._log_tail()}"

    def stop(self, hurry: threading.Event | None = None) -> None:
        """End it and everything it started; `hurry` cuts the waiting short."""
        if self._popen is None:
            return
        for stop_signal in self.command.stop_signals:
            if hurry is not None and hurry.is_set():
                break
            self._popen.send_signal(stop_signal)
            if self._ended_within(self.command.stop_seconds, hurry):
                break
        # Also when it ended by itself: what it left behind in its group goes too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def _ended_within(self, seconds: float, hurry: threading.Event | None) -> bool:
        deadline = time.monotonic() + seconds
        while self.exit_code() is None:
            if time.monotonic() > deadline or (hurry is not None and hurry.is_set()):
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _log_tail(self, lines: int = 12) -> str:
        """Return the last lines that this run wrote to its log."""
        with self.command.log.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace").rstrip()
        tail = "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
        return f"Its log, {self.command.log}, ends with:\n{tail or '  (nothing)'}"
