"""The worker process: everything of it is made and wired here."""

import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Protocol

import structlog

from bundles.model_input import require_inpainting
from bundles.plan import Plan, plan_for
from catalogue.renditions.store import Renditions
from core.broker import Broker
from core.cpus import usable_cpus
from core.db.engine import DATABASE_ERRORS, Database
from core.domain.photograph_spec import CUTOUT_REVISIONS
from core.flusher import Flusher
from core.lifecycle import serving
from core.metrics_server import serving_metrics
from core.pictures.credentials import Credentials
from core.pictures.marking import Watermark, watermark_of
from core.settings import Settings
from core.signing import credentials_of
from core.sources.fetcher import SourceFetcher
from core.sources.store import SourceStore
from core.startup import run_or_explain, wait_for_services
from core.storage import Storage
from worker.approximate.cache import ApproximateCache
from worker.call_sizes import CallSizes
from worker.consumer import make_worker_process
from worker.cutouts.pool import CutoutPool
from worker.cutouts.preparing import ProductPreparer
from worker.edits.making import EditMaker
from worker.engine import Engine
from worker.leases import Leases
from worker.memory import MemoryGuard
from worker.model_loading import Load, make_registry
from worker.pipeline import load_pipeline
from worker.registry import Registry
from worker.room import PromptedRoom
from worker.runner import Runner
from worker.scenes.backgrounds import Backgrounds
from worker.scenes.making import SceneMaker
from worker.segmentation.segmenter import open_usable_segmenter
from worker.shutdown import Shutdown
from worker.topology import settle
from worker.watchdog import Watchdog

log = structlog.get_logger(__name__)


ANNOUNCE_SECONDS = 10.0
"""Between two announcements of the models that this worker serves."""

LATENTS_SECONDS = 1.0
"""Between two writings of latents that near prompts may begin with."""


def main(load: Load = load_pipeline) -> int:
    """Run a worker until it is told to stop; return the exit code.

    Args:
        load: Gives a model; the benchmarks have one of their own.
    """
    return run_or_explain(partial(run, load=load))


def run(settings: Settings, *, load: Load) -> int:
    """Run a worker until it is told to stop.

    Raises:
        ServiceDownError: Postgres, Redis or S3 stays away.
        BundleError: The default model cannot be used.
        InvalidSettingError: This machine does not have the CPUs or the port that were named.
    """
    settle(settings)
    with serving_metrics(settings, "worker_metrics_port"):
        return _serve(settings, load)


def _serve(settings: Settings, load: Load) -> int:
    name = f"worker-{os.getpid()}-{secrets.token_hex(3)}@{socket.gethostname()}"
    database, storage = _connect(settings)
    watchdog = Watchdog(limit_seconds=settings.watchdog_seconds)
    models = make_registry(settings, load, watchdog)
    models.load_default()
    _require_inpainting(settings, models)
    plans = [plan_for(settings, manifest) for manifest in models.manifests().values()]
    engine = _engine(models, plans, watchdog)
    approximate = _approximate_cache(settings, database, storage, engine)
    credentials, watermark = credentials_of(settings, database), watermark_of(settings)
    cutting = Watchdog(limit_seconds=settings.watchdog_seconds)
    cutouts = cutout_pool(settings, database, storage, cutting)
    images = max(plan.rows * plan.streams for plan in plans)
    # Each may have a drawing of its own, and the engine's batches are to be full.
    room = PromptedRoom(max(images, cutouts.room.most))
    backgrounds = Backgrounds(
        database=database, storage=storage, credentials=credentials, watermark=watermark
    )
    leases = _leases(settings, database, engine, name)
    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=models,
        leases=leases,
        max_attempts=settings.max_attempts,
        cutouts=cutouts,
        scenes=SceneMaker(pool=cutouts, backgrounds=backgrounds, room=room),
        edits=EditMaker(pool=cutouts, room=room),
        room=room,
        approximate=approximate,
        renditions=_renditions(database, storage, credentials, watermark),
        credentials=credentials,
        watermark=watermark,
    )
    shutdown = Shutdown(runner=runner, engine=engine, owner=name, database=database)
    latents = Flusher([approximate.flush] if approximate else [], seconds=LATENTS_SECONDS)
    presence = _presence(database, name, models, engine.call_sizes)
    guard = MemoryGuard(
        limit_mib=settings.worker_max_rss_mib, on_excess=shutdown.warm, relieve=models.relieve
    )
    # A thread waits for its image: enough of them to fill the batches of every shape.
    threads = images * settings.shapes_in_play + cutouts.room.most + room.most
    process = make_worker_process(settings, runner, name, threads=threads)
    presence.flush()
    engine.start()
    with _running(leases, guard, latents, presence, models, cutting):
        shutdown.install()
        process.start()  # returns when the running images are stored and their messages acked
    engine.close()
    cutouts.close()
    _leave(database, storage, name)
    log.info("stopped")
    code = int(process.exitcode or 0)
    if models.loading:
        # Which cannot be interrupted, and must not outlive Python.
        os._exit(code)
    return code


def _connect(settings: Settings) -> tuple[Database, Storage]:
    """Open what a worker needs, once all of it answers."""
    database = Database(settings, statement_seconds=settings.statement_timeout)
    storage, broker = Storage(settings), Broker(settings)
    wait_for_services([database.check, broker.check, storage.check], settings)
    broker.close()
    return database, storage


class BackgroundService(Protocol):
    """What has threads of its own."""

    def start(self) -> None:
        """Start them."""

    def stop(self) -> None:
        """Stop them."""


@contextmanager
def _running(*services: BackgroundService) -> Iterator[None]:
    """Run services while the block runs; the last to be started is stopped first."""
    for service in services:
        service.start()
    yield
    for service in reversed(services):
        service.stop()


def _engine(models: Registry, plans: Sequence[Plan], watchdog: Watchdog) -> Engine:
    return Engine(
        models,
        row_limit=max(plan.rows for plan in plans),
        streams=max(plan.streams for plan in plans),
        watchdog=watchdog,
    )


def _approximate_cache(
    settings: Settings, database: Database, storage: Storage, engine: Engine
) -> ApproximateCache | None:
    """Make the cache of latents that near prompts may begin with; None: it is turned off."""
    if not settings.approximate_budget_bytes:
        return None
    return ApproximateCache(database=database, storage=storage, embed=engine.embed)


def _renditions(
    database: Database,
    storage: Storage,
    credentials: Credentials | None,
    watermark: Watermark | None,
) -> Renditions:
    return Renditions(
        database=database,
        storage=storage,
        credentials=credentials,
        watermark=watermark,
        at_once=usable_cpus(),
    )


def _leases(settings: Settings, database: Database, engine: Engine, owner: str) -> Leases:
    return Leases(
        database=database,
        engine=engine,
        owner=owner,
        lease_seconds=settings.lease_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
    )


def cutout_pool(
    settings: Settings, database: Database, storage: Storage, watchdog: Watchdog
) -> CutoutPool:
    """Make what makes images of photographs, without a model."""
    store = SourceStore(
        database=database,
        storage=storage,
        max_bytes=settings.max_source_bytes,
        tenant_bytes=settings.source_bytes,
    )
    fetcher = SourceFetcher(database=database, store=store, settings=settings)
    network = open_usable_segmenter(settings)
    preparer = ProductPreparer(
        database=database,
        storage=storage,
        store=store,
        fetcher=fetcher,
        network=network,
        network_name=network.fingerprint if network else "",
    )
    threads = settings.cutout_threads or max(1, usable_cpus() // 2)
    return CutoutPool(preparer, threads=threads, watchdog=watchdog)


def _require_inpainting(settings: Settings, models: Registry) -> None:
    """Refuse models that shall draw masked rows and see no mask; those that are missing are told.

    Raises:
        BundleError: One sees none.
    """
    manifests = models.manifests()
    for name in set(settings.inpainting_models.values()) & manifests.keys():
        channels = manifests[name].latent_channels
        require_inpainting(settings.models[name], name=name, latent_channels=channels)


def _presence(database: Database, name: str, models: Registry, call_sizes: CallSizes) -> Flusher:
    """Make what announces the models that this worker serves, as they are at the moment."""

    def announce() -> None:
        with database.session() as session:
            serving.announce(
                session, name, {*models.served(), *CUTOUT_REVISIONS}, call_sizes.take()
            )

    return Flusher([models.refresh, announce], seconds=ANNOUNCE_SECONDS)


def _leave(database: Database, storage: Storage, name: str) -> None:
    """Report that this worker ends, and close what `_connect` opened.

    Where Postgres is away, its silence says so a minute later.
    """
    with suppress(*DATABASE_ERRORS), database.session() as session:
        serving.leave(session, name)
    database.close()
    storage.close()
