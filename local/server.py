"""What the three services of the stack have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from local.errors import StackError
from local.processes import Process


class Server(ABC):
    """A service of the stack: launched, ready, stopped; also a context manager."""

    process: Process | None = None
    port: int = 0
    """Where it listens, from its launch on."""
    ready_seconds: float = 60.0

    @abstractmethod
    def launch(self) -> None:
        """Start the process without waiting for it."""

    @abstractmethod
    def answers(self) -> bool:
        """Send it a request in its own protocol; may raise."""

    def wait_until_ready(self) -> None:
        """Wait for an answer.

        Raises:
            ProcessFailedError: None came, or the process ended.
        """
        if self.process is None:
            raise RuntimeError("launch() comes first")
        self.process.wait_until(self.answers, seconds=self.ready_seconds)

    def start(self) -> None:
        """Launch it and wait for an answer."""
        start_all([self])

    def stop(self) -> None:
        """Stop it cleanly; its data stay."""
        if self.process is not None:
            self.process.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def start_all(servers: Iterable[Server]) -> None:
    """Start servers side by side; when one fails, stop all of them."""
    servers = list(servers)
    try:
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_until_ready()
    except BaseException:
        for server in reversed(servers):
            server.stop()
        raise


def packaged(package: str, pattern: str) -> Path:
    """Find a file of a package by a glob pattern, without importing the package.

    Importing those packages starts things and makes folders that nothing here needs.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(folder).glob(pattern):
            return path
    raise StackError(
        f"The package {package} has no {pattern} for this machine. "
        "The embedded stack runs on Linux, x86-64 and arm64; install with ./run.sh."
    )
