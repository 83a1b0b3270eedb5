"""A microscopic model, and worker processes that run it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from tests.support.made_once import MadeOnce

ROOT = Path(__file__).parents[3]

PATIENCE_SECONDS = 300
"""Until a test gives up on what it waits for: machines that run tests are slow at times."""


@pytest.fixture(scope="session")
def bundle(made_once: MadeOnce) -> Path:
    """The smallest model of Stable Diffusion's shape, with random weights, as a bundle."""
    return made_once.bundle()


@pytest.fixture
def failed() -> Callable[[str], float]:
    """How many images this process has given up with an error code since the test began."""

    def total(code: str) -> float:
        value = REGISTRY.get_sample_value("packshot_failed_images_total", {"error_code": code})
        assert value is not None, "it is there before the first image fails"
        return value

    codes = ("deadline_exceeded", "generation_failed", "generation_impossible", "worker_lost")
    before = {code: total(code) for code in codes}
    return lambda code: total(code) - before[code]


class Process:
    """One process of the application, with its log."""

    def __init__(self, module: str, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; give its exit code."""
        return self.popen.wait(PATIENCE_SECONDS)

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def wait_until_said(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.said(text):
            assert self.popen.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.popen.kill()
        self.popen.wait()


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Start a process of the application; it is gone when the module's tests are done."""
    launched: list[Process] = []
    logs = tmp_path_factory.mktemp("logs")

    def launch(module: str, environment: dict[str, str]) -> Process:
        process = Process(module, environment, logs / f"{module}-{len(launched)}.log")
        launched.append(process)
        return process

    yield launch
    for process in launched:
        process.kill()
