"""Work goes on where it was after Postgres, S3 or Redis hung: not lost, and not counted."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from kombu.exceptions import OperationalError

from core.broker import BROKER_ERRORS
from core.db.engine import DATABASE_ERRORS, Database
from core.domain.lanes import Lane
from core.domain.states import GenerationState, JobState
from core.lifecycle import holds
from core.queue import Publisher, make_celery
from core.storage import Storage
from ops.feeder import Feeder
from ops.sweeper import Sweeper
from tests.integration.shop import Shop, poll
from tests.support.frozen import frozen
from tests.support.served import ServedModels
from worker.leases import Leases
from worker.rows import RowResult, Ticket
from worker.runner import Delivery, Runner

ROOM = 10.0
"""Seconds that a busy machine may take beside the product's own timeouts."""


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={"connect_timeout": 1.0, "s3_timeout": 0.5, "statement_timeout": 1.0}
    )


@pytest.fixture
def database(settings):
    database = Database(settings, statement_seconds=settings.statement_timeout)
    yield database
    database.close()


@pytest.fixture
def publisher(settings):
    celery = make_celery(settings)
    yield Publisher(celery)
    celery.close()


@pytest.fixture
def feeder(database, broker, publisher):
    return Feeder(
        database=database, broker=broker, publisher=publisher, window=100, republish_seconds=0
    )


@pytest.fixture
def sweeper(database, broker, publisher, feeder, monkeypatch):
    monkeypatch.setattr("ops.sweeper.SILENT_SECONDS", 1.0)
    broker.mark()
    return Sweeper(
        database=database,
        broker=broker,
        publisher=publisher,
        feeder=feeder,
        max_attempts=3,
        republish_seconds=0,
        sweep_seconds=0,
    )


class Engine:
    """Computes an image when the gate opens."""

    ticks = 0
    computing = True

    def __init__(self) -> None:
        self.gate = threading.Event()

    def submit(self, request):
        ticket = Ticket(request=request, submitted=0.0)
        result = RowResult(image=np.zeros((64, 64, 3), np.uint8), seconds=0.5, steps=4)
        threading.Thread(
            target=lambda: self.gate.wait(60) and ticket.fulfil(result), daemon=True
        ).start()
        return ticket

    def cancel(self, identity):
        raise AssertionError("nothing was lost")


def runner_of(database, storage, engine, leases, **values) -> Runner:
    return Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=ServedModels("r1"),
        leases=leases,
        max_attempts=3,
        pause_seconds=0,
        **values,
    )


def test_an_image_outlives_a_postgres_that_hangs_for_longer_than_its_lease(
    settings, services, storage, shop, database, sweeper
):
    engine, (job,) = Engine(), shop.want("mug").job_ids
    generation = shop.generation_of(job)
    leases = Leases(
        database=database, engine=engine, owner="me", lease_seconds=1, heartbeat_seconds=0.1
    )
    runner = runner_of(database, storage, engine, leases)
    leases.start()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, generation)
        poll(lambda: shop.generation(generation).state is GenerationState.RUNNING)
        sweeper.sweep()
        with frozen(services.postgres):
            engine.gate.set()
            time.sleep(3)
            assert not running.done()
        poll(lambda: _tries(sweeper.sweep))
        assert running.result(60) is Delivery.DONE
    leases.stop()
    sweeper.sweep()
    assert shop.generation(generation).attempts == 1
    assert shop.job(job).state is JobState.SUCCEEDED
    assert len(shop.images()) == 1


def _tries(work) -> bool:
    try:
        work()
    except DATABASE_ERRORS:
        return False
    return True


def test_leases_have_time_to_be_renewed_after_a_silence_and_run_out_after_that(
    shop, sweeper, services, monkeypatch
):
    (job,) = shop.want("mug").job_ids
    claim = shop.start(job, lease_seconds=0)
    # Nobody was silent: what ran out is taken back.
    sweeper.sweep()
    assert shop.generation(claim.generation_id).state is GenerationState.QUEUED
    claim = shop.start(job, lease_seconds=2)
    with frozen(services.postgres):
        time.sleep(3)
    poll(lambda: _tries(sweeper.sweep))
    assert shop.generation(claim.generation_id).state is GenerationState.RUNNING
    with shop.database.session() as session:
        assert holds.renew(session, claim.owner, [claim.generation_id], lease_seconds=0)
    monkeypatch.setattr("ops.sweeper.GRACE_SECONDS", 0.0)
    monkeypatch.setattr(sweeper, "_rescue_at", 0.0)
    sweeper.sweep()
    assert shop.generation(claim.generation_id).state is GenerationState.QUEUED


def test_an_image_that_a_hung_s3_does_not_take_is_queued_again_and_not_counted(
    settings, services, shop, database
):
    engine, (job,) = Engine(), shop.want("mug").job_ids
    engine.gate.set()
    generation = shop.generation_of(job)
    storage = Storage(settings)
    leases = Leases(
        database=database, engine=engine, owner="me", lease_seconds=60, heartbeat_seconds=1
    )
    runner = runner_of(database, storage, engine, leases, patience_seconds=1)
    with frozen(services.s3):
        began = time.monotonic()
        assert runner.run(generation) is Delivery.LATER
        assert time.monotonic() - began < 10 * settings.s3_timeout + ROOM
    row = shop.generation(generation)
    assert (row.state, row.attempts) == (GenerationState.QUEUED, 0)
    poll(lambda: runner.run(generation) is Delivery.DONE)
    assert shop.generation(generation).attempts == 1
    storage.close()


def test_a_hung_redis_gets_no_message_and_gets_them_when_it_is_back(
    shop, feeder, sweeper, broker, services
):
    shop.want("mug", "cup")
    with frozen(services.valkey):
        began = time.monotonic()
        with pytest.raises(BROKER_ERRORS):
            feeder.feed()
        sweeper.sweep()
        assert time.monotonic() - began < 6 + ROOM
    assert [one.published_at for one in shop.generations()] == [None, None]
    poll(lambda: sweeper.sweep() or broker.depth(Lane.STANDARD) == 2)


def test_what_redis_did_not_take_after_the_commit_is_sent_by_the_next_pass(
    shop: Shop, feeder, publisher, broker, monkeypatch, database
):
    shop.want("mug", "cup")
    held = []

    def refuse(_messages) -> None:
        held.append(database.engine.pool.checkedout())
        raise OperationalError("OOM")

    with monkeypatch.context() as patch:
        patch.setattr(publisher, "publish", refuse)
        with pytest.raises(OperationalError):
            feeder.feed()
    assert held == [0], "no connection is held while Redis is written to"
    assert [one.published_at for one in shop.generations()] == [None, None]
    feeder.feed()
    assert broker.depth(Lane.STANDARD) == 2
