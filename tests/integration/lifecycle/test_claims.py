"""A worker's hold on a generation."""

from uuid import uuid4

import pytest

from core.domain.states import GenerationState, JobState
from core.errors import GenerationFailedError
from core.lifecycle import cancellation, completion, holds


def test_a_claim_takes_the_generation_and_its_waiters(shop):
    (job_id,) = shop.want("red mug").job_ids
    claim = shop.start(job_id, owner="w1")

    generation = shop.generation(claim.generation_id)
    assert (generation.state, generation.attempts) == (GenerationState.RUNNING, 1)
    assert generation.lease_owner == "w1"
    assert (claim.attempt, claim.spec.prompt, claim.deadline_at) == (1, "red mug", None)
    assert claim.claimed_at == generation.started_at
    assert shop.job(job_id).state is JobState.RUNNING


def test_what_somebody_has_is_not_claimed_again(shop):
    (job_id,) = shop.want("red mug").job_ids
    claim = shop.start(job_id)
    assert shop.claim(claim.generation_id, owner="another") is None


def test_what_is_finished_or_unknown_is_not_claimed(shop):
    (job_id,) = shop.want("red mug").job_ids
    claim = shop.start(job_id)
    assert shop.succeed(claim)
    assert shop.claim(claim.generation_id) is None
    assert shop.claim(uuid4()) is None


def test_success_finishes_the_waiters_with_the_image(shop):
    first = shop.want("red mug").job_ids[0]
    second = shop.want("red mug").job_ids[0]
    claim = shop.start(first)
    joined_while_running = shop.want("red mug").job_ids[0]

    assert shop.succeed(claim)

    (image,) = shop.images()
    for job_id in (first, second, joined_while_running):
        job = shop.job(job_id)
        assert (job.state, job.image_id) == (JobState.SUCCEEDED, image.id)
        assert job.finished_at is not None
    generation = shop.generation(claim.generation_id)
    assert (generation.state, generation.seconds) == (GenerationState.SUCCEEDED, 1.5)
    assert generation.lease_owner is None


def test_a_lost_claim_writes_nothing(shop, lose):
    (job_id,) = shop.want("red mug").job_ids
    stale = shop.start(job_id, owner="w1")
    lose(stale)
    current = shop.start(job_id, owner="w2")

    assert not shop.succeed(stale)
    with shop.database.session() as session:
        assert not completion.fail(session, stale, GenerationFailedError())
        assert not holds.hand_back(session, stale, published=True)
        assert not holds.retry_later(session, stale, delay_seconds=0)
    assert shop.images() == []
    assert shop.generation(current.generation_id).lease_owner == "w2"

    assert shop.succeed(current)
    assert len(shop.images()) == 1


def test_the_fence_tells_two_claims_of_one_worker_apart(shop, lose):
    (job_id,) = shop.want("red mug").job_ids
    stale = shop.start(job_id, owner="w1")
    lose(stale)
    current = shop.start(job_id, owner="w1")
    assert not shop.succeed(stale)
    assert shop.succeed(current)


def test_handing_back_does_not_count_the_attempt(shop):
    (job_id,) = shop.want("red mug").job_ids
    claim = shop.start(job_id)
    with shop.database.session() as session:
        assert holds.hand_back(session, claim, published=True)

    generation = shop.generation(claim.generation_id)
    assert (generation.state, generation.attempts) == (GenerationState.QUEUED, 0)
    assert generation.published_at is not None
    assert shop.job(job_id).state is JobState.QUEUED
    assert shop.start(job_id).attempt == 1


def test_all_that_an_owner_holds_goes_back_and_nothing_else(shop):
    mine = [shop.start(job) for job in shop.want("red mug", "blue mug").job_ids]
    other = shop.start(shop.want("green mug").job_ids[0], owner="another")
    with shop.database.session() as session:
        assert holds.hand_back_all(session, mine[0].owner) == 2

    for claim in mine:
        generation = shop.generation(claim.generation_id)
        assert (generation.state, generation.attempts) == (GenerationState.QUEUED, 0)
        assert generation.published_at is None, "its message died with its owner"
    assert shop.generation(other.generation_id).state is GenerationState.RUNNING


def test_a_retry_counts_the_attempt_and_waits(shop):
    (job_id,) = shop.want("red mug").job_ids
    claim = shop.start(job_id)
    with shop.database.session() as session:
        assert holds.retry_later(session, claim, delay_seconds=3600)

    generation = shop.generation(claim.generation_id)
    assert (generation.attempts, generation.published_at) == (1, None)
    assert shop.claim(claim.generation_id) is None, "its delay is not over"


def test_a_hand_back_can_wait(shop):
    (job_id,) = shop.want("red mug").job_ids
    claim = shop.start(job_id)
    with shop.database.session() as session:
        holds.hand_back(session, claim, published=False, delay_seconds=3600)
    assert shop.claim(claim.generation_id) is None


def test_the_deadline_is_that_of_the_most_patient_waiter(shop, wanted, at):
    early, late = at(minutes=1), at(minutes=5)
    (first,) = shop.want(wanted(deadline_at=early)).job_ids
    shop.want(wanted(deadline_at=late))
    assert shop.start(first).deadline_at == late


def test_one_waiter_without_a_deadline_means_none(shop, wanted, at):
    (first,) = shop.want(wanted(deadline_at=at(minutes=1))).job_ids
    shop.want(wanted())
    assert shop.start(first).deadline_at is None


def test_held_names_only_ones_own_running_claims(shop, lose):
    jobs = shop.want("mug", "cup", "bowl", "plate").job_ids
    mine, lost, others, canceled = (
        shop.start(jobs[0], owner="w1"),
        shop.start(jobs[1], owner="w1"),
        shop.start(jobs[2], owner="w2"),
        shop.start(jobs[3], owner="w1"),
    )
    lose(lost)
    ids = [claim.generation_id for claim in (mine, lost, others, canceled)]
    with shop.database.session() as session:
        cancellation.cancel_job(session, jobs[3])
    with shop.database.session() as session:
        assert holds.held(session, "w1", ids) == {mine.generation_id: 1}
        assert holds.held(session, "w1", []) == {}


@pytest.mark.parametrize("owner", ["w1", "w2"])
def test_only_the_owner_renews(shop, owner):
    (job_id,) = shop.want("red mug").job_ids
    claim = shop.start(job_id, owner="w1", lease_seconds=10)
    before = shop.generation(claim.generation_id).lease_expires_at
    with shop.database.session() as session:
        holds.renew(session, owner, [claim.generation_id], lease_seconds=3600)
    after = shop.generation(claim.generation_id).lease_expires_at
    assert (after > before) == (owner == "w1")
