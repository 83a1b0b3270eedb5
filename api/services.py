"""The clients of one API process, opened once and passed on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.bundle import CurrentBundle
from core.database import Database
from core.queue import Broker, Publisher, make_celery
from core.settings import Settings
from core.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that a route may need from outside."""

    settings: Settings
    database: Database
    storage: Storage
    broker: Broker
    publisher: Publisher
    bundle: CurrentBundle


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Make the clients; each connects when it is first used."""
    database, storage, broker = Database(settings), Storage(settings), Broker(settings)
    celery = make_celery(settings)
    try:
        yield Services(
            settings=settings,
            database=database,
            storage=storage,
            broker=broker,
            publisher=Publisher(celery),
            bundle=CurrentBundle(settings),
        )
    finally:
        celery.close()
        broker.close()
        storage.close()
        database.close()
