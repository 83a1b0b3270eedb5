"""A transaction that takes long, a large sheet's for example, keeps nobody from other rows."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from core.db.models import Batch, Generation
from core.domain.lanes import Lane
from core.domain.states import GenerationState, JobState
from core.errors import GenerationFailedError
from core.lifecycle import cancellation, claims, completion, feeding, holds, submission
from tests.integration.shop import finished, wanted


@pytest.fixture
def patient(shop):
    """Open a session in which waiting for a lock is an error."""

    @contextmanager
    def patient():
        with shop.database.session() as session:
            session.execute(text("set local lock_timeout = '1ms'"))
            yield session

    return patient


@contextmanager
def uncommitted(shop, *products, lane=Lane.STANDARD):
    """Submit a sheet; it is committed when the block ends."""
    with shop.database.session() as session:
        yield submission.submit(
            session,
            [wanted(product) for product in products],
            tenant="shop",
            lane=lane,
            batch=Batch(tenant="shop", lane=lane, total_jobs=0, open_jobs=0),
        )


def ids(shop, *products, **values):
    jobs = shop.want(*products, **values).job_ids
    return [shop.generation_of(job) for job in jobs]


def test_what_a_sheet_joins_is_claimed_and_renewed_before_its_commit(shop, patient):
    joined, other = ids(shop, "red mug", "blue mug")
    with uncommitted(shop, "green mug", "red mug"):
        with patient() as session:
            taken = claims.claim(session, [joined, other], owner="w", lease_seconds=1)
        assert taken.keys() == {joined, other}
        before = shop.generation(joined).lease_expires_at
        with patient() as session:
            assert holds.renew(session, "w", [joined], lease_seconds=60) == [joined]
        assert shop.generation(joined).lease_expires_at > before
        with patient() as session:
            assert holds.hand_back(session, taken[joined], published=False)


def test_what_a_sheet_joins_gets_its_message_before_its_commit(shop, patient):
    joined, other = ids(shop, "red mug", "blue mug")
    with uncommitted(shop, "red mug"):
        with patient() as session:
            feeding.release(session, [joined, other])
        with patient() as session:
            sent = feeding.take_waiting(session, window=9, republish_seconds=0)
    assert {message.generation_id for message in sent} == {joined, other}


def test_images_are_recorded_beside_one_that_a_sheet_joins_and_that_one_after(shop, patient):
    joined, other = ids(shop, "red mug", "blue mug")
    both = [shop.claim(joined), shop.claim(other)]
    with uncommitted(shop, "red mug") as sheet, patient() as session:
        done = completion.succeed(session, [finished(one) for one in both], skip_locked=True)
        assert done == {other: 1}
        assert holds.holding(session, both) == {joined}
    with patient() as session:
        assert completion.succeed(session, [finished(both[0])], skip_locked=True) == {joined: 2}
    assert shop.job(sheet.job_ids[0]).state is JobState.SUCCEEDED


def test_a_failure_waits_for_those_who_join_and_fails_them_too(shop):
    (joined,) = ids(shop, "red mug")
    claim = shop.claim(joined)

    def fail():
        with shop.database.session() as session:
            return completion.fail(session, claim, GenerationFailedError())

    with ThreadPoolExecutor(1) as pool:
        with uncommitted(shop, "red mug") as sheet:
            failing = pool.submit(fail)
            shop.wait_for_lock_wait()
        assert failing.result()
    assert shop.job(sheet.job_ids[0]).state is JobState.FAILED


def test_what_moves_to_an_earlier_lane_is_left_out_until_it_has_moved(shop, patient):
    moving, other = ids(shop, "red mug", "blue mug", lane=Lane.BULK)
    with uncommitted(shop, "red mug", lane=Lane.INTERACTIVE) as sheet:
        assert (moving, Lane.INTERACTIVE) in sheet.published
        with patient() as session:
            taken = claims.claim(
                session, [moving, other], owner="w", lease_seconds=60, skip_locked=True
            )
            assert taken.keys() == {other}
            assert claims.claimable(session, [moving, other]) == {moving}
    assert shop.claim(moving).lane is Lane.INTERACTIVE


def test_what_a_cancellation_has_locked_is_no_claim_afterwards(shop, patient):
    jobs = shop.want("red mug", "blue mug", batch=True).job_ids
    (other,) = ids(shop, "green mug")
    canceled = [shop.generation_of(job) for job in jobs]
    running = shop.claim(canceled[0])
    with shop.database.session() as session:
        cancellation.cancel_batch(session, shop.batch_of(jobs[0]).id)
        with patient() as others:
            taken = claims.claim(
                others, [canceled[1], other], owner="w", lease_seconds=60, skip_locked=True
            )
            assert taken.keys() == {other}
        with patient() as others:
            assert holds.renew(others, "worker", [canceled[0]], lease_seconds=60) == []
            assert completion.succeed(others, [finished(running)], skip_locked=True) == {}
            assert holds.holding(others, [running]) == {canceled[0]}
    with patient() as session:
        assert claims.claimable(session, canceled) == set()
        assert holds.holding(session, [running]) == set()


def test_two_requests_that_move_the_same_work_do_not_deadlock(shop):
    products = [f"product {number}" for number in range(30)]
    ids(shop, *products, lane=Lane.BULK)

    def join(turn):
        lane = Lane.INTERACTIVE if turn % 2 else Lane.STANDARD
        return shop.want(*(products if turn % 3 else products[::-1]), batch=True, lane=lane)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(join, range(6)))
    rows = shop.all(Generation)
    assert {row.lane for row in rows} == {Lane.INTERACTIVE}
    assert {row.state for row in rows} == {GenerationState.QUEUED}
    assert len(rows) == len(products)
