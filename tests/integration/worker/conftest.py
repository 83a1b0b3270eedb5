"""A microscopic model, and worker processes that run it."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from core.egress.addresses import Address, read_address
from core.sources.fetcher import SourceFetcher
from core.sources.store import SourceStore
from tests.support.made_once import MadeOnce
from tests.support.photograph_server import HERE
from worker.cutouts.preparing import ProductPreparer

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

    codes = (
        *("deadline_exceeded", "generation_failed", "generation_impossible"),
        *("insufficient_memory", "worker_lost"),
    )
    before = {code: total(code) for code in codes}
    return lambda code: total(code) - before[code]


class Process:
    """One process of the application, with its log."""

    def __init__(
        self, module: str, environment: dict[str, str], log: Path, root: Path = ROOT
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=root,
                env=os.environ | environment | {"PYTHONPATH": str(root)},
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
    """Start a process of the application, of this tree or of another one.

    It is gone when the module's tests are done.
    """
    launched: list[Process] = []
    logs = tmp_path_factory.mktemp("logs")

    def launch(module: str, environment: dict[str, str], root: Path = ROOT) -> Process:
        process = Process(module, environment, logs / f"{module}-{len(launched)}.log", root)
        launched.append(process)
        return process

    yield launch
    for process in launched:
        process.kill()


async def resolve(host: str, port: int) -> Sequence[Address]:
    return [read_address(HERE)]


@pytest.fixture
def store(database, storage, settings) -> SourceStore:
    return SourceStore(database=database, storage=storage, max_bytes=settings.max_source_bytes)


@pytest.fixture
def preparer(database, storage, settings, store) -> Iterator[ProductPreparer]:
    own = settings.model_copy(
        update={"outbound_allow": HERE, "outbound_ports": "1-65535", "fetch_host_pause": 0.0}
    )
    fetcher = SourceFetcher(database=database, store=store, settings=own, resolve=resolve)
    preparer = ProductPreparer(database=database, storage=storage, store=store, fetcher=fetcher)
    yield preparer
    preparer.close()


@pytest.fixture
def keep(store) -> Callable[..., str]:
    """Keep a photograph; return its digest."""

    def keep(body: bytes, tenant: str = "shop") -> str:
        store.keep(BytesIO(body), tenant=tenant)
        return hashlib.sha256(body).hexdigest()

    return keep
