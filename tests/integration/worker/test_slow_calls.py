"""A model call that takes longer than a lease keeps its images; one that hangs loses them."""

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest

from core.domain.states import GenerationState
from core.lifecycle.rescue import recover_expired
from tests.integration.shop import poll
from tests.unit.worker.test_engine import PATIENCE, HeldModel, request
from worker.engine import Engine
from worker.leases import Leases
from worker.watchdog import Watchdog

LEASE = 0.8


@pytest.fixture
def work(database, shop):
    """Make an engine that works on a claimed image, and the leases that hold it."""
    running = []

    def work(stage, **limits):
        model = HeldModel(stage)
        engine = Engine.of_one(model, row_limit=4, **limits)
        engine.start()
        running.append((engine, model))
        leases = Leases(
            database=database,
            engine=engine,
            owner="me",
            lease_seconds=LEASE,
            heartbeat_seconds=LEASE / 4,
        )
        claim = shop.start(*shop.want("red mug").job_ids, owner="me", lease_seconds=LEASE)
        ticket = engine.submit(request(identity=claim.generation_id))
        poll(model.entered.is_set)
        return model, leases, claim, ticket

    yield work
    for engine, model in running:
        model.released.set()
        engine.close()


@pytest.mark.parametrize("stage", ["encode", "predict", "decode"])
def test_a_call_that_takes_longer_than_the_lease_keeps_it(work, shop, stage):
    model, leases, claim, ticket = work(stage)

    def row():
        return shop.generation(claim.generation_id)

    with leases.holding(claim) as lease:
        leases.beat()
        # From here on no call ends: before, that was no progress.
        ended = row().lease_expires_at + timedelta(seconds=LEASE)
        poll(lambda: leases.beat() or row().lease_expires_at > ended)
        assert (row().state, row().attempts, lease.lost) == (GenerationState.RUNNING, 1, False)
        assert not ticket.future.done()
        model.released.set()
        assert ticket.result(PATIENCE).steps == 4


@pytest.mark.parametrize("stage", ["encode", "predict", "decode"])
def test_a_call_that_hangs_is_ended_and_its_image_goes_to_somebody_else(
    work, shop, database, stage
):
    reasons: list[str] = []
    watchdog = Watchdog(limit_seconds=0.2, on_bite=reasons.append)
    _, leases, claim, _ = work(stage, watchdog=watchdog)

    def recovered():
        leases.beat()
        with database.session() as session:
            return recover_expired(session, max_attempts=3).queued

    with leases.holding(claim):
        poll(lambda: reasons)
        poll(recovered)
        assert shop.generation(claim.generation_id).state is GenerationState.QUEUED


def test_a_hung_stage_is_no_progress_while_another_s_call_is_young(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("worker.watchdog.time", SimpleNamespace(monotonic=lambda: now[0]))
    watchdog = Watchdog(limit_seconds=60)
    entered, release = threading.Event(), threading.Event()

    def hang():
        with watchdog.watch("VAE decoder"):
            entered.set()
            release.wait(PATIENCE)

    hung = threading.Thread(target=hang)
    assert not watchdog.computing, "nothing is in progress"
    hung.start()
    assert entered.wait(PATIENCE)
    now[0] = 60.0
    assert watchdog.computing
    now[0] = 61.0
    with watchdog.watch("UNet"):
        assert not watchdog.computing
    release.set()
    hung.join()
    assert not watchdog.computing
    with watchdog.watch("UNet"):
        assert watchdog.computing
