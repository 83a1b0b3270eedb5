"""The `packshot` command as a user runs it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 600.0
"""Seconds after which a command is stuck; the machine may be busy with other things."""


@dataclass
class Stack:
    """A running `packshot up`, with what it printed."""

    process: subprocess.Popen[str]
    url: str
    flower: str
    flower_password: str
    key: str


@dataclass
class Packshot:
    """The command, with its settings."""

    home: Path
    bundle: Path
    folder: Path
    """Where the user stands."""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PACKSHOT_")
        }
        self.environment = inherited | {
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",
            "PACKSHOT_HOME": str(self.home),
            "PACKSHOT_BUNDLE": str(self.bundle),
        }

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @contextmanager
    def start(self, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        """Start a command, on ports of its own; it is killed at the end of the block."""
        command = [sys.executable, "-m", "cli", *map(str, arguments)]
        if arguments[0] in ("up", "demo"):
            command += ["--port", str(free_port()), "--flower-port", str(free_port())]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def up(self) -> Iterator[Stack]:
        """Run `packshot up` inside the block, and stop it with Ctrl-C."""
        with self.start("up") as process:
            said = read_until(process, r"^Key +(psk_\S+)")
            flower = re.search(r"^Flower +(\S+) \(user packshot, password (\S+)\)", said, re.M)
            url = re.search(r"^API +(\S+)$", said, re.M)
            key = re.search(r"^Key +(\S+)$", said, re.M)
            assert flower
            assert url
            assert key
            yield Stack(process, url[1], flower[1], flower[2], key[1])
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, err

    def pids(self) -> list[int]:
        """The ids of all processes of the stack on this home folder: they share its lock file."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    files = {os.readlink(link) for link in (folder / "fd").iterdir()}
                except OSError:
                    continue  # it has just ended, or is not ours
                if any(file.startswith(f"{self.home}/") for file in files):
                    found.append(int(folder.name))
        return found

    def words(self, pid: int) -> str:
        """The command line of a process, a blank behind each word."""
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Read a command's standard output until a line matches; give all of it so far."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return "".join(lines)
    assert process.stderr is not None
    pytest.fail(f"it ended without {pattern}: {''.join(lines)}{process.stderr.read()}")
