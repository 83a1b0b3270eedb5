"""The models of a worker: which it can serve, and which of them are in memory.

A model is served as long as its bundle can be loaded, or is in memory. It is loaded when a row asks
for it, in a thread of its own, one model after another: rows of a model that is not there yet stay
in the queue, where they cost nothing and can be cancelled, and those of the others go on. What is
in memory stays within a budget: the least recently used model without rows makes room. Where all of
them have rows, the one that was loaded first takes no more of them, so that models that do not
fit together take turns.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import psutil
import structlog

from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest, read_mark
from core.errors import BundleError, PackshotError, first_line
from worker.bundle_folder import BundleFolder
from worker.loaded import LoadedModel
from worker.memory import free_memory, in_gib
from worker.metrics import MODEL_BYTES, MODEL_LOAD_SECONDS, MODEL_LOADS, MODEL_UNLOADS, MODELS
from worker.residents import STAY_SECONDS, Resident, Residents

log = structlog.get_logger(__name__)

WANT_SECONDS = 30.0
"""A model that no row has asked for within this time is not loaded any more."""

LOOK_SECONDS = 1.0
"""Between two looks for models that are used no more."""

Load = Callable[[Path, Manifest], LoadedModel]
"""Loads the bundle in a folder."""


class ModelNotLoadedError(Exception):
    """The model is not in memory now."""


class Registry:
    """The models of one worker; any thread may call it."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        load: Load,
        *,
        budget_bytes: int,
        idle_seconds: float,
        stay_seconds: float = STAY_SECONDS,
        watch: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
        clock: Callable[[], float] = time.monotonic,
        resident_bytes: Callable[[], int] = lambda: int(psutil.Process().memory_info().rss),
        free_bytes: Callable[[], int] = free_memory,
    ) -> None:
        """Make one, with nothing in memory.

        Args:
            folders: Of the bundles, by the names of the models; the first is the default.
            load: Loads one.
            budget_bytes: Of all models in memory together; a single one may take more.
            idle_seconds: After which a model without rows is unloaded, unless it is the default.
            stay_seconds: For which a model is in memory at least.
            watch: Watches a model's loading.
            clock: Seconds that never go back.
            resident_bytes: Measures what this process holds.
            free_bytes: Measures what it may still take.
        """
        self._bundles = [BundleFolder(name=name, folder=one) for name, one in folders.items()]
        self._load_model = load
        self._watch = watch
        self._clock = clock
        self._resident_bytes = resident_bytes
        self._free_bytes = free_bytes
        self._lock = threading.Lock()
        self._residents = Residents(
            budget=budget_bytes, idle_seconds=idle_seconds, stay_seconds=stay_seconds
        )
        self._wanted: dict[str, float] = {}
        """When a row last asked for a model that is not in memory, in the order of the first."""
        self._sizes: dict[str, int] = {}
        """What models took that were in memory once."""
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._loader = ThreadPoolExecutor(1, "loader", initializer=_block_signals)

    # What other threads call

    def load_default(self) -> None:
        """Load the first model, in this thread.

        Raises:
            BundleError: It cannot be used.
        """
        self.refresh()
        default = self._bundles[0]
        if default.manifest is None:
            load_manifest(default.folder)  # raises what is wrong with it
        else:
            self._load(default, default.manifest, default.mark)

    def start(self) -> None:
        """Start the thread that loads and unloads."""
        self._thread.start()

    def stop(self) -> None:
        """Load nothing more; what is being loaded is not waited for."""
        self._stopped.set()
        self._wake.set()
        self._thread.join(LOOK_SECONDS)
        self._loader.shutdown(wait=not self.loading)

    @property
    def loading(self) -> bool:
        """Return whether a model is still being loaded after `stop`."""
        return self._stopped.is_set() and self._thread.is_alive()

    def refresh(self) -> None:
        """Read the manifests of bundles that were replaced."""
        for bundle in self._bundles:
            bundle.refresh()

    def manifests(self) -> dict[str, Manifest]:
        """Return those of the bundles that can be read, by the names of the models."""
        return {one.name: one.manifest for one in self._bundles if one.manifest is not None}

    def served(self) -> set[str]:
        """Return the revisions that this worker can make images from, loaded or not."""
        with self._lock:
            return {*(one.revision for one in self._residents), *self._loadable()}

    def claimable(self) -> set[str]:
        """Return the revisions of which rows can begin now."""
        with self._lock:
            return {one.revision for one in self._residents if not one.leaving}

    def want(self, revision: str) -> bool:
        """Request a model that a row needs; return whether this worker serves it."""
        with self._lock:
            served = revision in self._residents or revision in self._loadable()
            if served:
                self._wanted[revision] = self._clock()
                self._wake.set()
            return served

    @contextmanager
    def using(self, revision: str) -> Iterator[LoadedModel]:
        """Keep a model in memory while the block runs.

        Raises:
            ModelNotLoadedError: It is not there; a row of it goes back to the queue.
        """
        with self._lock:
            one = self._residents.get(revision)
            if one is None:
                raise ModelNotLoadedError(f"the model {revision[:12]} is not in memory")
            one.users += 1
        try:
            yield one.model
        finally:
            with self._lock:
                one.users -= 1
                one.used_at = self._clock()
            if one.leaving:
                self._wake.set()

    def __getitem__(self, revision: str) -> LoadedModel:
        """Return a model that is in memory."""
        return self._residents[revision].model

    def relieve(self) -> bool:
        """Unload the least recently used model without rows; return whether there was one."""
        with self._lock:
            gone = self._residents.idle()[:1] if len(self._residents) > 1 else []
            self._residents.remove(gone)
        self._say_unloaded(gone, "memory")
        return bool(gone)

    # The thread

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            if not self.turn():
                self._wake.wait(LOOK_SECONDS)

    def turn(self) -> bool:
        """Unload what is to go and load what is wanted most; return whether one was loaded."""
        now = self._clock()
        with self._lock:
            default = self._bundles[0].manifest
            old = self._residents.unused(now, default=default.revision if default else "")
            self._residents.remove(old)
            bundle = self._next(now)
            manifest, mark = (bundle.manifest, bundle.mark) if bundle else (None, None)
            size = None
            if bundle and manifest:  # what it took once, or the bytes of its weights
                size = self._sizes.get(manifest.revision, bundle.weight)
            crowded = self._residents.in_the_way(size, now)
            self._residents.remove(crowded)
            fits = size is not None and self._residents.fits(size)
        self._say_unloaded(old, "idle")
        self._say_unloaded(crowded, "budget")
        # Their memory, before another model's is taken.
        del old, crowded
        if bundle is None or manifest is None or not fits:
            return False
        try:
            self._load(bundle, manifest, mark)
        except Exception as error:  # whatever its libraries raise: the others are served
            with self._lock:
                # What was replaced meanwhile may be good.
                if bundle.mark == mark:
                    bundle.failed_at = self._clock()
                self._wanted.pop(manifest.revision, None)
            _report_failed(bundle.name, manifest.revision, error)
            return False
        return True

    def _load(self, bundle: BundleFolder, manifest: Manifest, mark: tuple[int, ...] | None) -> None:
        self._require_memory(bundle)
        began, before = self._clock(), self._resident_bytes()
        with self._watch(f"loading of {bundle.name}"):
            model = self._loader.submit(self._load_model, bundle.folder, manifest).result()
        if read_mark(bundle.folder) != mark:
            raise BundleError(
                f"{bundle.folder} was replaced while it was loaded. It is tried again."
            )
        now, revision = self._clock(), manifest.revision
        # Of what other threads took and gave back meanwhile nothing is known.
        size = max(self._resident_bytes() - before, bundle.weight)
        with self._lock:
            self._sizes[revision] = size
            self._wanted.pop(revision, None)
            self._residents.add(
                Resident(
                    model=model, size=size, loaded_at=now, load_seconds=now - began, used_at=now
                )
            )
        MODEL_LOADS.labels("loaded").inc()
        MODEL_LOAD_SECONDS.observe(now - began)
        self._gauge()
        log.info(
            "model loaded",
            model=bundle.name,
            revision=revision[:12],
            seconds=round(now - began, 1),
            mib=size // 2**20,
        )

    def _require_memory(self, bundle: BundleFolder) -> None:
        """Refuse a model whose weights alone are more than is free; the process would be ended.

        Raises:
            BundleError: It is refused; it is tried again later.
        """
        free = self._free_bytes()
        if bundle.weight > free:
            raise BundleError(
                f"The model {bundle.name} has {in_gib(bundle.weight)} of weights, and "
                f"{in_gib(free)} of memory are free: give the worker more memory, end what else "
                "takes it, or build the bundle with another precision (fp16, int8)."
            )

    # What is chosen, under the lock

    def _loadable(self) -> dict[str, BundleFolder]:
        """Return the bundles that can be loaded, by revision."""
        now = self._clock()
        return {
            one.manifest.revision: one
            for one in reversed(self._bundles)
            if one.manifest is not None and one.loadable(now)
        }

    def _next(self, now: float) -> BundleFolder | None:
        """Choose what is loaded next: what has been wanted for longest, and still is."""
        loadable = self._loadable()
        for revision, asked_at in list(self._wanted.items()):
            there = self._residents.get(revision)
            if (there and not there.leaving) or now - asked_at > WANT_SECONDS:
                del self._wanted[revision]
        missing = [one for one in self._wanted if one in loadable and one not in self._residents]
        return loadable[missing[0]] if missing else None

    def _say_unloaded(self, gone: Sequence[Resident], reason: str) -> None:
        for one in gone:
            MODEL_UNLOADS.labels(reason).inc()
            log.info(
                "model unloaded", revision=one.revision[:12], reason=reason, mib=one.size // 2**20
            )
        if gone:
            self._gauge()

    def _gauge(self) -> None:
        with self._lock:
            MODELS.set(len(self._residents))
            MODEL_BYTES.set(self._residents.size)


def _block_signals() -> None:
    """Block signals in the thread that loads models, so that others handle them.

    OpenVINO gives a thread that loads its CPU plugin a stack for signals, and frees it with the
    model, in whatever thread that happens: the next signal to that thread would end the process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _report_failed(name: str, revision: str, error: Exception) -> None:
    MODEL_LOADS.labels("failed").inc()
    log.error(
        "model not loaded: its images wait, or other workers make them",
        model=name,
        revision=revision[:12],
        reason=error.detail if isinstance(error, PackshotError) else first_line(error),
        exc_info=None if isinstance(error, PackshotError) else error,
    )
