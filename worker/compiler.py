"""A bundle's graphs on this machine: read, compiled, and kept for the next start."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openvino as ov

from core.cpus import quota_threads
from core.errors import BundleError, InvalidSettingError, last_line
from worker.compiled_cache import drop_damaged, note_checksums


class Compiler:
    """Reads and compiles the parts of one bundle."""

    def __init__(
        self, folder: Path, *, device: str, cache: Path | None, precision: str, pinning: bool
    ) -> None:
        """Make one; `Pipeline` says what the arguments are."""
        self._folder = folder
        self._core = ov.Core()
        self._cache = cache
        if cache is not None:
            # With the weights: OpenVINO 2026.4 writes blobs without them too, but reads them only
            # where each compilation names the weights' file, and then computes rubbish of graphs
            # that were changed after they were read (docs/decisions/0010).
            self._core.set_property({"CACHE_DIR": str(cache)})
        self._device = device
        self._properties = _common_properties(precision, pinning=pinning)

    def latency(self, threads: int) -> dict[str, Any]:
        """Return the properties of a model whose calls are made one after another."""
        threads = threads or quota_threads()
        properties = self._properties | {"PERFORMANCE_HINT": "LATENCY"}
        return properties | ({"INFERENCE_NUM_THREADS": threads} if threads else {})

    def read(self, part: str) -> Any:
        """Read a part's graph.

        Raises:
            BundleError: It is missing, or cannot be read.
        """
        path = self._folder / part / "openvino_model.xml"
        if not path.is_file():
            raise BundleError(
                f"The model bundle at {self._folder} has no {part}/openvino_model.xml. "
                "Build it again: `packshot model build SOURCE`."
            )
        try:
            return self._core.read_model(path)
        except RuntimeError as error:
            raise BundleError(
                f"{path} cannot be read ({last_line(error)}). "
                "Build the bundle again: `packshot model build SOURCE`."
            ) from error

    def load(self, part: str, properties: dict[str, Any]) -> Any:
        """Read a part's graph and compile it.

        Raises:
            BundleError: as `read`.
        """
        return self.compile(self.read(part), properties)

    def compile(self, model: Any, properties: dict[str, Any]) -> Any:
        """Compile a graph, or load what an earlier process compiled."""
        with _alone_in(self._cache):
            if self._cache is None:
                return self._core.compile_model(model, self._device, properties)
            drop_damaged(self._cache)
            compiled = self._core.compile_model(model, self._device, properties)
            note_checksums(self._cache)
            return compiled


@contextmanager
def _alone_in(cache: Path | None) -> Iterator[None]:
    """Keep other processes out of the cache: two that write the same blob at once fail.

    Workers that start together wait for the first one, and then find what it compiled.
    """
    if cache is None:
        yield
        return
    try:
        cache.mkdir(parents=True, exist_ok=True)
        file = (cache / "lock").open("w")
    except OSError as error:
        raise InvalidSettingError(
            f"Compiled models cannot be kept in {cache} ({error.strerror}). Move away what is "
            "there, or make it a folder that this user may write to; it is filled anew."
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _common_properties(precision: str, *, pinning: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision}
    if not pinning:
        properties["ENABLE_CPU_PINNING"] = False
    return properties
