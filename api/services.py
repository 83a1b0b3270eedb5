"""The clients of one API process, opened once and passed on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.auth.key_use import KeyUse
from api.auth.rate_limiter import RateLimiter
from api.models import Models
from api.process.readiness import ReadinessChecks
from api.turns.detections import Detections
from api.turns.downloads import Downloads
from api.turns.result_memory import ResultMemory
from api.uploads import Uploads
from api.waiting.batch_feeds import BatchFeeds
from api.waiting.end_watch import EndWatch
from api.waiting.limit import WaitingLimit
from catalogue.renditions.store import Renditions
from core.broker import Broker
from core.db.engine import Database
from core.egress.policy import EgressPolicy
from core.flusher import Flusher
from core.pictures.marking import watermark_of
from core.pictures.marks import MarkReader
from core.queue import Publisher, make_celery
from core.settings import Settings
from core.signing import credentials_of
from core.sources.store import SourceStore
from core.storage import Storage

SILENCE_SECONDS = 5.0
"""How long S3 may be silent where somebody waits for the answer."""
PAUSE_SECONDS = 5.0
"""How long nothing is published after the broker took nothing; the sweeper does it."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that a route may need from outside."""

    settings: Settings
    database: Database
    storage: Storage
    broker: Broker
    publisher: Publisher
    models: Models
    results: ResultMemory
    renditions: Renditions
    sources: SourceStore
    rate_limiter: RateLimiter
    key_use: KeyUse
    downloads: Downloads
    uploads: Uploads
    end_watch: EndWatch
    batch_feeds: BatchFeeds
    waiting: WaitingLimit
    openai_waiting: WaitingLimit
    detections: Detections
    readiness: ReadinessChecks
    egress: EgressPolicy
    """Where callers' URLs may lead."""


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Make the clients; each connects when it is first used."""
    database = Database(
        settings,
        statement_seconds=settings.statement_timeout,
        pool_seconds=settings.statement_timeout,
    )
    storage = Storage(settings, silence_seconds=min(settings.s3_timeout, SILENCE_SECONDS))
    broker, celery, results = Broker(settings), make_celery(settings), ResultMemory(settings)
    credentials = credentials_of(settings, database)
    readiness, downloads = ReadinessChecks(), Downloads(settings.downloads)
    try:
        yield Services(
            settings=settings,
            database=database,
            storage=storage,
            broker=broker,
            publisher=Publisher(celery, pause_seconds=PAUSE_SECONDS),
            models=Models(settings),
            results=results,
            renditions=Renditions(
                database=database,
                storage=storage,
                credentials=credentials,
                watermark=watermark_of(settings),
            ),
            sources=SourceStore(
                database=database,
                storage=storage,
                max_bytes=settings.max_source_bytes,
                tenant_bytes=settings.source_bytes,
            ),
            rate_limiter=RateLimiter(settings),
            key_use=KeyUse(),
            downloads=downloads,
            uploads=Uploads(settings.source_uploads),
            end_watch=EndWatch(database),
            batch_feeds=BatchFeeds(database),
            waiting=WaitingLimit(settings.waiting_requests),
            openai_waiting=WaitingLimit(settings.openai_waiting),
            detections=Detections(lambda: MarkReader.of(settings, credentials)),
            readiness=readiness,
            egress=EgressPolicy.of(settings),
        )
    finally:
        readiness.close()
        downloads.close()
        celery.close()
        broker.close()
        storage.close()
        database.close()


@contextmanager
def flushing(services: Services) -> Iterator[None]:
    """Write to Postgres, now and then, what the process gathers in memory."""
    flusher = Flusher(
        [
            lambda: services.results.flush(services.database),
            lambda: services.key_use.flush(services.database),
        ],
        seconds=services.settings.stats_seconds,
    )
    flusher.start()
    try:
        yield
    finally:
        flusher.stop()
