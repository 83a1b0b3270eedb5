"""Any history of requests, workers, cancellations and sweeps keeps the books right.

Hypothesis makes up histories of one tenant with three products, and checks after every step what
must hold at any moment; at the end, whoever still waits gets an image.
"""

from datetime import UTC, datetime

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from core.db.models import Batch, Generation, Job
from core.domain.states import IN_FLIGHT, OPEN_JOB, BatchState, GenerationState, JobState, is_final
from core.errors import GenerationFailedError
from core.lifecycle import cancellation, completion, feeding, holds, rescue
from tests.integration.shop import Shop

MAX_ATTEMPTS = 3
PRODUCTS = st.sampled_from(["mug", "cup", "bowl"])


class History(RuleBasedStateMachine):
    """One shop with two workers and a sweeper."""

    shop: Shop
    jobs = Bundle("jobs")
    held = Bundle("held")

    @initialize()
    def begin(self):
        with self.shop.database.session() as session:
            session.execute(text("truncate batch, job, generation, image cascade"))
        self.final = {}

    @rule(target=jobs, products=st.lists(PRODUCTS, min_size=1, max_size=4), batch=st.booleans())
    def request(self, products, batch):
        return multiple(*self.shop.want(*products, batch=batch).job_ids)

    @rule(target=held, job_id=jobs, owner=st.sampled_from(["w1", "w2"]))
    def claim(self, job_id, owner):
        generation_id = self.shop.job(job_id).generation_id
        claim = generation_id and self.shop.claim(generation_id, owner=owner)
        return claim if claim else multiple()

    @rule(claim=consumes(held))
    def succeed(self, claim):
        self.shop.succeed(claim)

    @rule(claim=consumes(held))
    def fail(self, claim):
        with self.shop.database.session() as session:
            completion.fail(session, claim, GenerationFailedError())

    @rule(claim=consumes(held), published=st.booleans())
    def hand_back(self, claim, published):
        with self.shop.database.session() as session:
            holds.hand_back(session, claim, published=published)

    @rule(claim=consumes(held))
    def retry(self, claim):
        """Try again later, as workers do: not after the last attempt."""
        with self.shop.database.session() as session:
            if claim.attempt < MAX_ATTEMPTS:
                holds.retry_later(session, claim, delay_seconds=0)
            else:
                completion.fail(session, claim, GenerationFailedError())

    @rule(claim=held)
    def lose(self, claim):
        """Its lease runs out; the worker does not know and may still try to finish."""
        past = datetime(2000, 1, 1, tzinfo=UTC)
        with self.shop.database.session() as session:
            generation = session.get_one(Generation, claim.generation_id)
            if generation.state is GenerationState.RUNNING:
                generation.lease_expires_at = past

    @rule()
    def sweep(self):
        with self.shop.database.session() as session:
            rescue.recover_expired(session, max_attempts=MAX_ATTEMPTS)
        with self.shop.database.session() as session:
            rescue.take_lost(session, empty_queues=[], republish_seconds=0)
            feeding.take_waiting(session, window=2, republish_seconds=0)

    @rule(job_id=jobs)
    def cancel(self, job_id):
        with self.shop.database.session() as session:
            cancellation.cancel_job(session, job_id)

    @rule(job_id=jobs)
    def cancel_batch(self, job_id):
        batch_id = self.shop.job(job_id).batch_id
        if batch_id:
            with self.shop.database.session() as session:
                cancellation.cancel_batch(session, batch_id)

    @rule(job_id=jobs)
    def pass_deadline(self, job_id):
        with self.shop.database.session() as session:
            session.get_one(Job, job_id).deadline_at = datetime(2000, 1, 1, tzinfo=UTC)
        with self.shop.database.session() as session:
            rescue.expire_deadlines(session)

    @invariant()
    def the_books_are_right(self):
        generations, jobs, batches = (
            {row.id: row for row in self.shop.all(table)} for table in (Generation, Job, Batch)
        )
        in_flight = [row.fingerprint for row in generations.values() if row.state in IN_FLIGHT]
        assert len(in_flight) == len(set(in_flight)), "one image was computed twice at once"
        for row in generations.values():
            mine = [job for job in jobs.values() if job.generation_id == row.id]
            waiting = [job for job in mine if job.state in OPEN_JOB]
            assert bool(waiting) == (row.state in IN_FLIGHT), "work and waiters disagree"
            assert bool(row.lease_owner) == (row.state is GenerationState.RUNNING)
            assert row.attempts <= MAX_ATTEMPTS
        for job in jobs.values():
            assert bool(job.image_id) == (job.state is JobState.SUCCEEDED)
            assert bool(job.error_code) == (job.state is JobState.FAILED)
        for batch in batches.values():
            mine = [job for job in jobs.values() if job.batch_id == batch.id]
            open_jobs = sum(job.state in OPEN_JOB for job in mine)
            assert (batch.open_jobs, batch.total_jobs) == (open_jobs, len(mine))
            assert (batch.state is BatchState.RUNNING) == (open_jobs > 0)
        for row in (*generations.values(), *jobs.values(), *batches.values()):
            before = self.final.get(row.id)
            assert before is None or before == (row.state, row.finished_at), "an end was undone"
            if is_final(row.state):
                assert row.finished_at is not None
                self.final[row.id] = (row.state, row.finished_at)

    def teardown(self):
        """Whatever happened, one good worker brings everything to an end."""
        with self.shop.database.session() as session:
            session.execute(text("update generation set lease_expires_at = 'epoch'"))
        with self.shop.database.session() as session:
            rescue.recover_expired(session, max_attempts=MAX_ATTEMPTS)
        for row in self.shop.generations():
            if row.state is GenerationState.QUEUED:
                claim = self.shop.claim(row.id)
                assert claim is not None
                assert self.shop.succeed(claim)
        assert all(is_final(row.state) for row in self.shop.all(Job))
        assert all(is_final(row.state) for row in self.shop.all(Batch))
        if hasattr(self, "final"):
            self.the_books_are_right()


def test_every_history_keeps_the_books_right(shop):
    class Machine(History):
        pass

    Machine.shop = shop
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
