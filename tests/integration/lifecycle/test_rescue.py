"""What the sweeper finds: lost workers, lost messages, passed deadlines."""

import pytest

from core.db.locks import lock_generations
from core.db.models import Generation
from core.domain.lanes import Lane, Message
from core.domain.states import BatchState, GenerationState, JobState
from core.errors import WorkerLostError
from core.lifecycle import feeding, holds, rescue


@pytest.fixture
def recover(shop):
    def recover(max_attempts: int = 3):
        with shop.database.session() as session:
            return rescue.recover_expired(session, max_attempts=max_attempts).queued

    return recover


@pytest.fixture
def take(shop):
    def take(*empty_lanes: Lane, republish_seconds: float = 0):
        with shop.database.session() as session:
            lost = rescue.take_lost(
                session,
                empty_queues=[(lane, first) for lane in empty_lanes for first in (True, False)],
                republish_seconds=republish_seconds,
            )
            unsent = feeding.take_waiting(session, window=100, republish_seconds=republish_seconds)
        return [message.generation_id for message in (*lost, *unsent)]

    return take


@pytest.fixture
def mark(shop):
    def mark(*ids):
        with shop.database.session() as session:
            feeding.mark_published(session, [Message(one, Lane.STANDARD) for one in ids])

    return mark


def test_a_lease_that_holds_is_left_alone(shop, recover):
    (job_id,) = shop.want("mug").job_ids
    shop.start(job_id)
    assert recover() == []


def test_a_lease_that_ran_out_is_queued_again(shop, recover, take, mark):
    (job_id,) = shop.want("mug").job_ids
    generation_id = shop.generation_of(job_id)
    mark(generation_id)
    shop.start(job_id, lease_seconds=0)

    assert recover() == [generation_id]

    generation = shop.generation(generation_id)
    assert (generation.state, generation.attempts) == (GenerationState.QUEUED, 1)
    assert shop.job(job_id).state is JobState.QUEUED
    assert take() == [generation_id], "its message was used up"


def test_a_renewed_lease_is_not_recovered(shop, recover):
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id, lease_seconds=0)
    with shop.database.session() as session:
        holds.renew(session, claim.owner, [claim.generation_id], lease_seconds=60)
    assert recover() == []


def test_what_is_being_finished_is_not_recovered(shop, recover):
    """The finish holds the row; the sweeper passes it by instead of waiting."""
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id, lease_seconds=0)
    with shop.database.session() as session:
        assert holds.held(session, claim.owner, [claim.generation_id])
        lock_generations(session, Generation.id == claim.generation_id)
        assert recover() == []
    assert shop.succeed(claim), "an expired lease still finishes if nobody took it"


def test_a_poison_image_fails_after_its_last_attempt(shop, recover):
    jobs = shop.want("mug", "cup", batch=True).job_ids
    for attempt in (1, 2):
        claim = shop.start(jobs[0], lease_seconds=0)
        assert claim.attempt == attempt
        assert recover() == [claim.generation_id]
    claim = shop.start(jobs[0], lease_seconds=0)

    with shop.database.session() as session:
        recovered = rescue.recover_expired(session, max_attempts=3)

    assert (recovered.queued, recovered.failed) == ([], [claim.generation_id])
    generation = shop.generation(claim.generation_id)
    job = shop.job(jobs[0])
    assert (generation.state, generation.attempts) == (GenerationState.FAILED, 3)
    assert (job.state, job.error_code) == (JobState.FAILED, WorkerLostError.code)
    assert job.error_message
    assert shop.job(jobs[1]).state is JobState.QUEUED
    assert shop.batch_of(jobs[0]).open_jobs == 1


def test_a_deadline_fails_only_the_late(shop, wanted, at):
    (late,) = shop.want(wanted(deadline_at=at(seconds=-1))).job_ids
    (patient,) = shop.want(wanted(deadline_at=at(hours=1))).job_ids
    claim = shop.start(late)
    with shop.database.session() as session:
        assert rescue.expire_deadlines(session) == []
    job = shop.job(late)
    assert (job.state, job.error_code) == (JobState.FAILED, "deadline_exceeded")
    assert shop.job(patient).state is JobState.RUNNING
    assert shop.succeed(claim)


def test_a_deadline_of_all_waiters_stops_the_work(shop, wanted, at):
    jobs = shop.want(wanted(deadline_at=at(seconds=-1)), batch=True).job_ids
    claim = shop.start(jobs[0])
    with shop.database.session() as session:
        assert rescue.expire_deadlines(session) == [claim.generation_id]
    assert shop.generation(claim.generation_id).state is GenerationState.CANCELED
    batch = shop.batch_of(jobs[0])
    assert (batch.state, batch.open_jobs) == (BatchState.COMPLETED, 0)


def test_a_finished_job_has_no_deadline_any_more(shop, wanted, at):
    (job_id,) = shop.want(wanted(deadline_at=at(seconds=-1))).job_ids
    shop.succeed(shop.start(job_id))
    with shop.database.session() as session:
        assert rescue.expire_deadlines(session) == []
    assert shop.job(job_id).state is JobState.SUCCEEDED


def test_a_fresh_row_waits_for_its_own_request_to_publish_it(shop, take):
    (generation_id,) = [identity for identity, _ in shop.want("mug").published]
    assert take(republish_seconds=3600) == []
    assert take(republish_seconds=0) == [generation_id]
    assert take(republish_seconds=0) == [], "it is marked now"


def test_a_sent_message_is_sent_again_only_when_its_lane_is_empty(shop, take, mark):
    (generation_id,) = [identity for identity, _ in shop.want("mug").published]
    mark(generation_id)
    assert take() == []
    assert take(Lane.BULK) == []
    assert take(Lane.STANDARD, republish_seconds=3600) == [], "it may be on its way"
    assert take(Lane.STANDARD) == [generation_id]


def test_a_message_that_others_overtook_is_sent_again(shop, take, mark):
    """Also where the lane is never empty: first in is first out."""
    lost, _ = shop.want("lost").published[0]
    mark(lost)
    later = shop.want("later").published[0][0]
    mark(later)
    last = shop.want("last").published[0][0]
    mark(last)
    assert take() == [], "nobody has overtaken it yet"

    assert shop.claim(later)
    assert take(republish_seconds=3600) == [], "it may have been claimed this moment"
    assert take() == [lost], "and not the last, whose turn has not come"
    assert take() == [], "its message is the newest now"


def test_an_image_that_came_back_overtakes_nobody(shop, take, mark):
    """It keeps its place, in front: those behind it would all be sent again."""
    (first,) = shop.want("first").job_ids
    mark(shop.generation_of(first))
    waiting = shop.want("waiting").published[0][0]
    mark(waiting)
    with shop.database.session() as session:
        holds.hand_back(session, shop.start(first), published=True)
    shop.start(first)
    assert take() == []


def test_a_delayed_row_is_not_sent_before_its_time(shop, take):
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id)
    with shop.database.session() as session:
        holds.retry_later(session, claim, delay_seconds=3600)
    assert take(Lane.STANDARD) == []


def test_a_late_note_of_the_request_does_not_hide_a_retry(shop, take, mark):
    """The request notes its publishing last; the worker may have used the message up by then."""
    (job_id,) = shop.want("mug").job_ids
    claim = shop.start(job_id)
    with shop.database.session() as session:
        holds.retry_later(session, claim, delay_seconds=0)
    mark(claim.generation_id)
    assert take() == [claim.generation_id]


def test_two_sweepers_take_different_rows(shop):
    shop.want(*(f"product {number}" for number in range(6)))
    with shop.database.session() as one, shop.database.session() as two:
        first = feeding.take_waiting(one, window=3, republish_seconds=0)
        second = feeding.take_waiting(two, window=10, republish_seconds=0)
    assert (len(first), len(second)) == (3, 3)
    assert not {one.generation_id for one in first} & {one.generation_id for one in second}


def test_what_could_not_be_published_is_taken_again(shop, take):
    shop.want("mug")

    def publish_without_redis():
        with shop.database.session() as session:
            assert feeding.take_waiting(session, window=10, republish_seconds=0)
            raise ConnectionError("Redis is away")

    with pytest.raises(ConnectionError):
        publish_without_redis()
    assert len(take()) == 1


def test_an_emptied_redis_needs_every_message_again(shop, take, mark):
    submission = shop.want("mug", "cup", "bowl")
    ids = {identity for identity, _ in submission.published}
    mark(*ids)
    running = shop.start(submission.job_ids[0])
    with shop.database.session() as session:
        assert rescue.forget_published(session) == 2
    assert set(take(republish_seconds=3600)) == ids - {running.generation_id}
