"""What becomes of one message, with an engine that does as it is told."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import structlog.testing
from botocore.exceptions import EndpointConnectionError
from sqlalchemy.exc import OperationalError

from core.cache_metrics import Level, Outcome
from core.db.locks import lock_generations
from core.db.models import Generation
from core.domain.lanes import Lane
from core.domain.states import GenerationState, JobState
from core.lifecycle import backlogs, cancellation, feeding, serving, submission
from tests.cache_counts import CacheCounts
from tests.integration.shop import Shop, poll, wanted
from tests.specs import made_by
from tests.support.served import ServedModels
from worker.approximate.cache import NOTHING
from worker.endings import Delivery
from worker.leases import Leases
from worker.rows import (
    RowCanceledError,
    RowExpiredError,
    RowFailedError,
    RowHandedBackError,
    RowImpossibleError,
    RowResult,
    RowTooLargeError,
    Ticket,
)
from worker.runner import Runner


class Engine:
    """Answers every request with what the test wants, at once or when told."""

    def __init__(self):
        self.ticks = 0
        self.computing = False
        self.requests = []
        self.canceled = []
        self.answer = RowResult(image=np.zeros((64, 64, 3), np.uint8), seconds=0.5, steps=4)
        self.gate = threading.Event()
        self.gate.set()

    def submit(self, request):
        self.requests.append(request)
        ticket = Ticket(request=request, submitted=0.0)
        threading.Thread(target=self._answer, args=(ticket,), daemon=True).start()
        return ticket

    def _answer(self, ticket):
        self.gate.wait(60)
        self.ticks += 1
        if isinstance(self.answer, Exception):
            ticket.fail(self.answer)
        else:
            ticket.fulfil(self.answer)

    def cancel(self, identity):
        self.canceled.append(identity)


class Flaky:
    """Raises the given errors first, then calls the real thing."""

    def __init__(self, real, *errors):
        self.real = real
        self.errors = list(errors)

    def __call__(self, *args, **values):
        if self.errors:
            raise self.errors.pop(0)
        return self.real(*args, **values)


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def leases(database, engine):
    return Leases(
        database=database, engine=engine, owner="me", lease_seconds=60, heartbeat_seconds=0.01
    )


@pytest.fixture
def runner(database, storage, engine, leases):
    return Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=ServedModels("r1"),
        leases=leases,
        max_attempts=3,
        patience_seconds=5,
        pause_seconds=0,
    )


@pytest.fixture
def run(runner, shop):
    return lambda job_id: runner.run(shop.generation_of(job_id))


def away():
    return OperationalError("select", {}, Exception("the server closed the connection"))


def unreachable():
    return EndpointConnectionError(endpoint_url="http://s3")


def test_an_image_is_computed_stored_and_recorded(shop, run, engine, storage):
    jobs = shop.want("red mug", batch=True).job_ids
    assert run(jobs[0]) is Delivery.DONE

    (image,) = shop.images()
    assert b"".join(storage.stream(image)).startswith(b"\x89PNG")
    assert (image.content_type, image.width, image.seed) == (
        "image/png",
        64,
        shop.job(jobs[0]).seed,
    )
    assert shop.job(jobs[0]).state is JobState.SUCCEEDED
    assert shop.generation_of(jobs[0]) == image.generation_id
    (request,) = engine.requests
    assert (request.spec.prompt, request.solo, request.deadline) == ("red mug", False, None)


def test_cheap_steps_are_counted(shop, run, engine):
    counts = CacheCounts()
    run(*shop.want("red mug").job_ids)
    assert not [key for key in counts.take() if key[0] is Level.FEATURES]
    engine.answer = replace(engine.answer, steps=20, cheap_steps=13, steps_saved=10.5)
    run(*shop.want("blue mug").job_ids)
    counted = counts.take()
    assert counted[Level.FEATURES, Outcome.MISS].number == 7
    hit = counted[Level.FEATURES, Outcome.HIT]
    assert (hit.number, hit.steps_saved) == (13, 10.5)


def test_a_second_message_is_acked_and_computes_nothing(shop, run, engine):
    (job_id,) = shop.want("red mug").job_ids
    run(job_id)
    assert run(job_id) is Delivery.DONE
    assert len(engine.requests) == len(shop.images()) == 1


def test_a_message_for_a_claimed_image_is_acked(shop, run, engine):
    (job_id,) = shop.want("red mug").job_ids
    shop.start(job_id, owner="another worker")
    assert run(job_id) is Delivery.ELSEWHERE
    assert engine.requests == []


def test_a_stopping_worker_takes_nothing(shop, run, runner, engine):
    (job_id,) = shop.want("red mug").job_ids
    runner.stop()
    assert run(job_id) is Delivery.AGAIN
    assert engine.requests == []
    assert shop.job(job_id).state is JobState.QUEUED


@pytest.fixture
def other_worker(database, storage, engine, leases):
    """A worker whose bundle is another one than the shop's."""
    return Runner(
        database=database,
        storage=storage,
        engine=engine,
        leases=leases,
        max_attempts=3,
        models=ServedModels("r2"),
        pause_seconds=0,
    )


def test_an_image_of_another_bundle_is_left_to_a_worker_that_has_it(
    shop, run, other_worker, engine, caplog
):
    caplog.set_level(logging.INFO)
    (job_id,) = shop.want("red mug").job_ids
    for _ in range(5):
        assert other_worker.run(shop.generation_of(job_id)) is Delivery.LATER
    assert engine.requests == []
    generation = shop.generation(shop.generation_of(job_id))
    assert (generation.state, generation.attempts) == (GenerationState.QUEUED, 0)
    assert generation.published_at is None, "the sweeper sends it again"
    said = caplog.text
    assert said.count("images left to workers with another model") == 1, "once, not each time"
    assert "wanted='r1'" in said

    run(job_id)
    assert shop.job(job_id).state is JobState.SUCCEEDED


def test_while_models_are_exchanged_each_worker_makes_its_own_images(
    shop, database, storage, engine, leases, other_worker
):
    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        leases=leases,
        max_attempts=3,
        models=ServedModels("r1"),
        pause_seconds=0,
    )
    old = shop.want("red mug", "blue mug").job_ids
    new = Shop(database, bundle_revision="r2").want("red mug", "blue mug").job_ids
    for name, revision in (("w1", "r1"), ("w2", "r2")):
        with database.session() as session:
            serving.announce(session, name, {revision})

    # The first message of each goes to the wrong one.
    for worker in (other_worker, runner, other_worker, runner):
        with database.session() as session:
            backlogs.set_aside(session)
        with database.session() as session:
            sent = feeding.take_waiting(session, window=8, republish_seconds=0)
        for message in sent:
            assert worker.run(message.generation_id) in {Delivery.DONE, Delivery.LATER}

    assert {shop.job(job).state for job in (*old, *new)} == {JobState.SUCCEEDED}
    assert {row.attempts for row in shop.generations()} == {1}


def test_a_worker_computes_what_was_promised_from_its_bundle(
    shop, database, storage, engine, leases
):
    shop.model = made_by("r2")
    (job_id,) = shop.want(wanted("red mug", guidance_start=0.1, guidance_end=0.8)).job_ids
    models = ServedModels("r2")
    models.model.revision = "r2"
    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        leases=leases,
        max_attempts=3,
        models=models,
    )
    assert runner.run(shop.generation_of(job_id)) is Delivery.DONE
    (request,) = engine.requests
    assert (request.revision, request.spec.guidance_interval) == ("r2", (0.1, 0.8))


def test_an_image_whose_model_is_not_in_memory_yet_waits_in_the_queue_and_costs_no_attempt(
    shop, database, storage, engine, leases, caplog
):
    caplog.set_level(logging.INFO)
    models = ServedModels("r2", wanted={"r1"})
    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=models,
        leases=leases,
        max_attempts=3,
        pause_seconds=0,
    )
    (job_id, other) = shop.want("red mug", "blue mug").job_ids
    for _ in range(4):
        assert runner.run(shop.generation_of(job_id)) is Delivery.LATER
    assert models.asked == ["r1"] * 4, "each asks for the model to be loaded"
    generation = shop.generation(shop.generation_of(job_id))
    assert (generation.state, generation.attempts) == (GenerationState.QUEUED, 0)
    assert generation.published_at is None, "its message is sent again"
    assert "another model" not in caplog.text, "it is this worker's own"

    with shop.database.session() as session:
        cancellation.cancel_job(session, other)
    models.revisions.add("r1")
    assert runner.run(shop.generation_of(other)) is Delivery.CANCELED
    assert runner.run(shop.generation_of(job_id)) is Delivery.DONE


def test_an_image_whose_model_was_unloaded_since_its_claim_goes_back_without_an_attempt(
    shop, database, storage, engine, leases
):
    class Unloaded(ServedModels):
        def claimable(self):
            return {"r1"}

    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=Unloaded(),
        leases=leases,
        max_attempts=3,
    )
    (job_id,) = shop.want("red mug").job_ids
    assert runner.run(shop.generation_of(job_id)) is Delivery.AGAIN
    generation = shop.generation(shop.generation_of(job_id))
    assert (generation.state, generation.attempts) == (GenerationState.QUEUED, 0)
    assert engine.requests == []


def test_what_the_engine_hands_back_is_queued_before_its_message_returns(shop, run, engine):
    (job_id,) = shop.want("red mug").job_ids
    engine.answer = RowHandedBackError()
    assert run(job_id) is Delivery.AGAIN
    generation = shop.generation(shop.generation_of(job_id))
    assert (generation.state, generation.attempts) == (GenerationState.QUEUED, 0)
    assert generation.published_at is not None


def test_a_cancelled_image_is_left_alone(shop, run, engine):
    (job_id,) = shop.want("red mug").job_ids
    engine.gate.clear()
    engine.answer = RowCanceledError()
    with in_thread(run, job_id) as result:
        poll(lambda: engine.requests)
        with shop.database.session() as session:
            cancellation.cancel_job(session, job_id)
        engine.gate.set()
    assert result() is Delivery.CANCELED
    assert shop.job(job_id).state is JobState.CANCELED
    assert shop.images() == []


def test_an_image_that_nobody_wants_any_more_is_not_recorded(shop, run, engine):
    (job_id,) = shop.want("red mug").job_ids
    engine.gate.clear()
    with in_thread(run, job_id) as result:
        poll(lambda: engine.requests)
        with shop.database.session() as session:
            cancellation.cancel_job(session, job_id)
        engine.gate.set()
    assert result() is Delivery.CANCELED
    assert shop.images() == []


def test_a_failure_is_tried_again_alone_and_then_given_up(shop, run, engine, failed):
    jobs = shop.want("red mug", batch=True).job_ids
    engine.answer = RowFailedError("ValueError: bad latents")
    deliveries = [run(jobs[0]) for _ in range(3)]
    assert deliveries == [Delivery.LATER, Delivery.LATER, Delivery.FAILED]
    assert run(jobs[0]) is Delivery.FAILED, "monitors hear the same of a late message"

    assert [request.solo for request in engine.requests] == [False, True, True]
    job = shop.job(jobs[0])
    assert (job.state, job.error_code) == (JobState.FAILED, "generation_failed")
    assert "ValueError: bad latents" in job.error_message
    assert shop.batch_of(jobs[0]).open_jobs == 0
    assert failed("generation_failed") == 1


def test_what_can_never_succeed_is_tried_once(shop, run, engine, failed):
    jobs = shop.want("red mug", batch=True).job_ids
    engine.answer = RowImpossibleError("the UNet's output is not finite")
    assert [run(jobs[0]), run(jobs[0])] == [Delivery.FAILED, Delivery.FAILED]
    assert len(engine.requests) == 1
    job = shop.job(jobs[0])
    assert (job.state, job.error_code) == (JobState.FAILED, "generation_impossible")
    assert job.error_message == (
        "The model cannot make this image: the UNet's output is not finite."
    )
    assert shop.images() == []
    assert (failed("generation_impossible"), failed("generation_failed")) == (1, 0)


def test_a_row_without_memory_is_tried_again_and_says_what_to_do(shop, run, engine, failed):
    jobs = shop.want("red mug", batch=True).job_ids
    engine.answer = RowTooLargeError("It takes 9.0 GiB: ask for a smaller one")
    assert [run(jobs[0]) for _ in range(3)] == [Delivery.LATER, Delivery.LATER, Delivery.FAILED]
    job = shop.job(jobs[0])
    assert (job.state, job.error_code) == (JobState.FAILED, "insufficient_memory")
    assert job.error_message == "It takes 9.0 GiB: ask for a smaller one."
    assert (failed("insufficient_memory"), failed("generation_failed")) == (1, 0)


class Approximate:
    """Begins nothing with other latents, and cannot keep any."""

    def plan(self, claim, model):
        return NOTHING

    def learn(self, claim, plan, result):
        raise MemoryError


def test_what_fails_after_the_recording_is_no_failed_attempt(
    shop, database, storage, engine, leases, failed, monkeypatch
):
    monkeypatch.setattr("worker.runner.make_known", Flaky(None, ValueError("no such image")))
    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=ServedModels("r1"),
        leases=leases,
        max_attempts=1,
        approximate=Approximate(),
        renditions=object(),
    )
    (job_id,) = shop.want("red mug").job_ids
    with structlog.testing.capture_logs() as logged:
        assert runner.run(shop.generation_of(job_id)) is Delivery.DONE
    assert [line["event"] for line in logged if line["log_level"] == "error"] == [
        "latents not kept; the image itself is stored",
        "renditions not made; the image itself is stored",
    ]
    assert shop.job(job_id).state is JobState.SUCCEEDED
    assert failed("generation_failed") == 0


def test_a_failed_attempt_waits_for_the_sweepers_message(shop, run, engine):
    (job_id,) = shop.want("red mug").job_ids
    engine.answer = RowFailedError("ValueError: bad latents")
    run(job_id)
    with shop.database.session() as session:
        taken = feeding.take_waiting(session, window=10, republish_seconds=3600)
    assert [one.generation_id for one in taken] == [shop.generation_of(job_id)]


def test_a_deadline_fails_the_late_and_goes_on_for_the_patient(
    shop, run, engine, wanted, at, failed
):
    (late,) = shop.want(wanted(deadline_at=at(milliseconds=1))).job_ids
    engine.gate.clear()
    engine.answer = RowExpiredError()
    with in_thread(run, late) as result:
        poll(lambda: engine.requests)
        (patient,) = shop.want(wanted()).job_ids
        engine.gate.set()
    assert result() is Delivery.AGAIN
    assert engine.requests[0].deadline is not None
    assert shop.job(late).error_code == "deadline_exceeded"
    assert shop.job(patient).state is JobState.QUEUED
    assert shop.generation(shop.generation_of(patient)).attempts == 0
    assert failed("deadline_exceeded") == 0


def test_a_deadline_of_all_ends_it(shop, run, engine, wanted, at, failed):
    (late,) = shop.want(wanted(deadline_at=at(milliseconds=1))).job_ids
    engine.answer = RowExpiredError()
    assert run(late) is Delivery.CANCELED
    assert shop.generation(shop.generation_of(late)).state is GenerationState.CANCELED
    assert run(late) is Delivery.CANCELED
    assert failed("deadline_exceeded") == 1


def test_an_image_is_kept_while_storage_is_away(shop, run, engine, storage, monkeypatch):
    (job_id,) = shop.want("red mug").job_ids
    put = Flaky(storage.put_image, unreachable(), unreachable())
    monkeypatch.setattr(storage, "put_image", put)
    assert run(job_id) is Delivery.DONE
    assert len(engine.requests) == 1, "it was not computed again"
    assert shop.job(job_id).state is JobState.SUCCEEDED


def test_storage_that_stays_away_costs_no_attempt(shop, runner, run, storage, monkeypatch):
    (job_id,) = shop.want("red mug").job_ids
    monkeypatch.setattr(runner._endings, "_patience_seconds", 0.1)
    monkeypatch.setattr(storage, "put_image", Flaky(None, *[unreachable() for _ in range(99)]))
    for _ in range(5):
        assert run(job_id) is Delivery.LATER
        generation = shop.generation(shop.generation_of(job_id))
        assert (generation.state, generation.attempts) == (GenerationState.QUEUED, 0)
        assert generation.published_at is None
    monkeypatch.undo()
    run(job_id)
    assert shop.job(job_id).state is JobState.SUCCEEDED


def test_a_finish_is_tried_again_while_postgres_is_away(shop, run, engine, database, monkeypatch):
    (job_id,) = shop.want("red mug").job_ids
    engine.gate.clear()
    with in_thread(run, job_id) as result:
        poll(lambda: engine.requests)
        monkeypatch.setattr(database, "session", Flaky(database.session, away(), away()))
        engine.gate.set()
    assert result() is Delivery.DONE
    monkeypatch.undo()
    assert len(shop.images()) == 1


def test_a_claim_without_postgres_sends_the_message_back(shop, runner, run, database, monkeypatch):
    (job_id,) = shop.want("red mug").job_ids
    generation_id = shop.generation_of(job_id)
    monkeypatch.setattr(runner._endings, "_patience_seconds", 0.1)
    monkeypatch.setattr(database, "session", Flaky(None, *[away() for _ in range(99)]))
    assert runner.run(generation_id) is Delivery.AGAIN
    monkeypatch.undo()
    assert shop.job(job_id).state is JobState.QUEUED


def test_an_image_whose_lost_claim_is_still_in_the_engine_waits(shop, run, engine, lose):
    (job_id,) = shop.want("red mug").job_ids
    engine.gate.clear()
    with in_thread(run, job_id) as first:
        poll(lambda: engine.requests)
        lose(shop.current_claim(job_id))
        assert run(job_id) is Delivery.LATER
        generation = shop.generation(shop.generation_of(job_id))
        assert generation.state is GenerationState.QUEUED
        assert len(engine.requests) == 1
        engine.gate.set()
    assert first() is Delivery.LATER
    assert shop.images() == [], "the lost claim wrote nothing"
    run(job_id)
    assert shop.job(job_id).state is JobState.SUCCEEDED


class TestLeases:
    def test_a_lost_row_is_cancelled_at_every_beat_until_its_thread_is_done(
        self, shop, leases, engine, lose
    ):
        (job_id,) = shop.want("red mug").job_ids
        claim = shop.start(job_id, owner="me")
        with leases.holding(claim) as lease:
            leases.beat()
            assert engine.canceled == []
            lose(claim)
            leases.beat()
            leases.beat()
            assert engine.canceled == [claim.generation_id] * 2
            assert lease.lost
        leases.beat()
        assert len(engine.canceled) == 2

    def test_only_progress_renews(self, shop, database, engine):
        leases = Leases(
            database=database, engine=engine, owner="me", lease_seconds=0.001, heartbeat_seconds=1
        )
        (job_id,) = shop.want("red mug").job_ids
        claim = shop.start(job_id, owner="me", lease_seconds=1)

        def expiry():
            return shop.generation(claim.generation_id).lease_expires_at

        with leases.holding(claim) as lease:
            leases.beat()
            renewed = expiry()
            poll(lambda: not leases.beat() and leases._renewed_ticks == engine.ticks)
            leases.beat()
            assert expiry() == renewed, "a hung engine keeps nothing"
            engine.ticks += 1
            poll(lambda: not leases.beat() and expiry() > renewed)
            stored = expiry()
            lease.computed = True
            poll(lambda: not leases.beat() and expiry() > stored)

    def test_the_thread_outlives_an_outage(self, shop, leases, engine, database, lose, monkeypatch):
        (job_id,) = shop.want("red mug").job_ids
        claim = shop.start(job_id, owner="me")
        outage = Flaky(database.session, *[away() for _ in range(3)])
        with leases.holding(claim):
            lose(claim)
            monkeypatch.setattr(database, "session", outage)
            leases.start()
            poll(lambda: engine.canceled)
            leases.stop()
        assert outage.errors == []


class in_thread:  # noqa: N801 - reads as a statement
    """Run something beside the test; join it at the end of the block."""

    def __init__(self, work, *args):
        self.value = None

        def call():
            self.value = work(*args)

        self.thread = threading.Thread(target=call)

    def __enter__(self):
        self.thread.start()
        return lambda: self.value

    def __exit__(self, *_):
        self.thread.join()


def test_a_locked_row_holds_up_its_own_message_and_no_other(shop, runner):
    held, other = (shop.generation_of(job) for job in shop.want("red mug", "blue mug").job_ids)
    with ThreadPoolExecutor(1) as pool:
        with shop.database.session() as session:
            assert lock_generations(session, Generation.id == held)
            waiting = pool.submit(runner.run, held)
            assert runner.run(other) is Delivery.DONE
            assert not waiting.done()
        assert waiting.result() is Delivery.DONE


def test_an_image_that_a_sheet_joins_is_recorded_after_it_and_holds_up_no_other(
    shop, runner, engine
):
    joined, other = (shop.generation_of(job) for job in shop.want("red mug", "blue mug").job_ids)
    engine.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, joined)
        poll(lambda: engine.requests)
        with shop.database.session() as session:
            (late,) = submission.submit(
                session,
                [wanted("red mug")],
                tenant="shop",
                lane=Lane.STANDARD,
            ).job_ids
            engine.gate.set()
            assert runner.run(other) is Delivery.DONE
            assert not running.done()
        assert running.result() is Delivery.DONE
    assert shop.job(late).state is JobState.SUCCEEDED


def test_a_lease_that_was_locked_when_it_was_due_is_renewed_at_the_next_beat(
    shop, runner, engine, leases
):
    (job_id,) = shop.want("red mug").job_ids
    identity = shop.generation_of(job_id)
    engine.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, identity)
        poll(lambda: engine.requests)
        before = shop.generation(identity).lease_expires_at
        with shop.database.session() as session:
            assert lock_generations(session, Generation.id == identity)
            leases.beat()
        assert shop.generation(identity).lease_expires_at == before
        leases.beat()
        assert shop.generation(identity).lease_expires_at > before
        engine.gate.set()
        assert running.result() is Delivery.DONE
