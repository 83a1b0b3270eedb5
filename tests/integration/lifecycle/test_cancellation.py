"""Leaving early: one waiter at a time, and the work with the last of them."""

from uuid import uuid4

from core.db.arrays import among
from core.db.locks import lock_generations
from core.db.models import Generation
from core.domain.lanes import Lane, Message
from core.domain.states import BatchState, GenerationState, JobState
from core.lifecycle import cancellation, feeding


def cancel_job(shop, job_id):
    with shop.database.session() as session:
        return cancellation.cancel_job(session, job_id)


def cancel_batch(shop, batch_id):
    with shop.database.session() as session:
        return cancellation.cancel_batch(session, batch_id)


def test_one_of_two_waiters_leaves(shop):
    (first,) = shop.want("red mug").job_ids
    (second,) = shop.want("red mug").job_ids
    claim = shop.start(first)

    assert cancel_job(shop, first) == []

    assert shop.job(first).state is JobState.CANCELED
    assert shop.generation(claim.generation_id).state is GenerationState.RUNNING
    assert shop.succeed(claim)
    assert shop.job(first).state is JobState.CANCELED
    assert shop.job(second).state is JobState.SUCCEEDED


def test_the_last_waiter_takes_the_work_along(shop):
    (first,) = shop.want("red mug").job_ids
    claim = shop.start(first)
    assert cancel_job(shop, first) == [claim.generation_id]
    assert shop.generation(claim.generation_id).state is GenerationState.CANCELED
    assert not shop.succeed(claim)


def test_cancelling_twice_or_too_late_changes_nothing(shop):
    (first,) = shop.want("red mug").job_ids
    shop.succeed(shop.start(first))
    assert cancel_job(shop, first) == []
    assert shop.job(first).state is JobState.SUCCEEDED

    (second,) = shop.want("blue mug").job_ids
    assert len(cancel_job(shop, second)) == 1
    finished_at = shop.job(second).finished_at
    assert cancel_job(shop, second) == []
    assert shop.job(second).finished_at == finished_at


def test_a_cancelled_batch_keeps_its_finished_images_and_others_waiters(shop):
    jobs = shop.want("mug", "cup", "bowl", batch=True).job_ids
    (outside,) = shop.want("cup").job_ids
    shop.succeed(shop.start(jobs[0]))
    batch = shop.batch_of(jobs[0])

    stopped = cancel_batch(shop, batch.id)

    assert stopped == [shop.generation_of(jobs[2])]
    assert [shop.job(job_id).state for job_id in jobs] == [
        JobState.SUCCEEDED,
        JobState.CANCELED,
        JobState.CANCELED,
    ]
    assert shop.job(outside).state is JobState.QUEUED
    batch = shop.batch_of(jobs[0])
    assert (batch.state, batch.open_jobs) == (BatchState.CANCELED, 0)


def test_a_completed_batch_cannot_be_cancelled(shop):
    (job_id,) = shop.want("mug", batch=True).job_ids
    shop.succeed(shop.start(job_id))
    batch = shop.batch_of(job_id)
    assert batch.state is BatchState.COMPLETED
    assert cancel_batch(shop, batch.id) == []
    assert shop.batch_of(job_id).state is BatchState.COMPLETED


def test_cancelling_every_job_completes_the_batch(shop):
    jobs = shop.want("mug", "cup", batch=True).job_ids
    for job_id in jobs:
        cancel_job(shop, job_id)
    batch = shop.batch_of(jobs[0])
    assert (batch.state, batch.open_jobs) == (BatchState.COMPLETED, 0)


def test_a_batch_counts_each_of_its_jobs_once(shop):
    """Duplicates within a sheet, and across sheets, all count down with one image."""
    one = shop.want("mug", "mug", "cup", batch=True).job_ids
    two = shop.want("mug", batch=True).job_ids
    shop.succeed(shop.start(one[0]))
    assert shop.batch_of(one[0]).open_jobs == 1
    assert shop.batch_of(two[0]).state is BatchState.COMPLETED
    shop.succeed(shop.start(one[2]))
    batch = shop.batch_of(one[0])
    assert (batch.state, batch.open_jobs) == (BatchState.COMPLETED, 0)
    assert batch.finished_at is not None


def test_a_sheet_larger_than_a_statements_parameters_can_be_cancelled(shop):
    """Postgres takes 65,535 parameters in a statement; a sheet may have more images."""
    with shop.database.session() as session:
        assert lock_generations(session, among(Generation.id, [uuid4()] * 70_000)) == []


def test_only_what_has_a_message_is_worth_a_revocation(shop):
    jobs = shop.want(*(f"mug {number}" for number in range(9)), batch=True, publishes=3).job_ids
    sent = [shop.generation_of(job) for job in jobs[:3]]
    with shop.database.session() as session:
        feeding.mark_published(session, [Message(one, Lane.STANDARD, False) for one in sent])

    with shop.database.session() as session:
        stopped = cancellation.cancel_batch(session, shop.job(jobs[0]).batch_id)
        messages = cancellation.messages_of(session, stopped)

    assert len(stopped) == 9
    assert sorted(messages) == sorted(sent)
