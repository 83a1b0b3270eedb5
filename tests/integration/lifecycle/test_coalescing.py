"""The same image is never computed twice at once, and answered from store afterwards."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.db.locks import lock_generations
from core.db.models import Generation
from core.domain.states import BatchState, CacheOutcome, GenerationState, JobState
from core.errors import GenerationFailedError
from core.lifecycle import cancellation, completion
from tests.integration.shop import finished


def test_equal_images_of_one_sheet_share_a_generation(shop):
    submission = shop.want("red mug", "Red  MUG", "blue mug", batch=True)
    first, second, third = (shop.job(job_id) for job_id in submission.job_ids)
    assert first.generation_id == second.generation_id != third.generation_id
    assert [first.cache, second.cache, third.cache] == [
        CacheOutcome.MISS,
        CacheOutcome.COALESCED,
        CacheOutcome.MISS,
    ]
    assert len(submission.published) == 2


def test_only_what_may_have_met_running_work_is_read_back(shop, statements):
    def read_back(*products):
        with statements() as seen:
            submission = shop.want(*products, batch=True)
        found = [shop.job(job_id).cache for job_id in submission.job_ids]
        return found, sum(one.startswith("SELECT generation.fingerprint") for one in seen)

    assert read_back("red mug") == ([CacheOutcome.MISS], 0)
    assert read_back("blue mug", "green mug") == ([CacheOutcome.MISS] * 2, 0)
    found, reads = read_back("red mug", "grey mug")
    assert found == [CacheOutcome.COALESCED, CacheOutcome.MISS]
    assert reads > 0


def test_variants_and_seeds_are_images_of_their_own(shop, wanted):
    submission = shop.want(
        wanted(variant=1), wanted(variant=2), wanted(seed=7), wanted(seed=7, variant=2)
    )
    assert len(submission.published) == 4
    seeds = [shop.job(job_id).seed for job_id in submission.job_ids]
    assert len(set(seeds)) == 4
    assert seeds[2:] == [7, 8]


def test_another_tenant_shares_nothing(shop):
    first = shop.want("red mug", tenant="a")
    second = shop.want("red mug", tenant="b")
    assert len(first.published) == len(second.published) == 1
    assert shop.succeed(shop.start(first.job_ids[0]))
    assert shop.job(second.job_ids[0]).state is JobState.QUEUED


def test_a_finished_image_answers_at_once(shop):
    (first,) = shop.want("red mug").job_ids
    shop.succeed(shop.start(first))

    submission = shop.want("red mug", batch=True)

    job = shop.job(submission.job_ids[0])
    assert submission.published == []
    assert (job.state, job.cache) == (JobState.SUCCEEDED, CacheOutcome.EXACT)
    assert job.image_id == shop.job(first).image_id
    assert shop.batch_of(job.id).state is BatchState.COMPLETED


@pytest.mark.parametrize("ending", ["failed", "canceled"])
def test_what_failed_or_was_cancelled_is_computed_anew(shop, ending):
    (first,) = shop.want("red mug").job_ids
    claim = shop.start(first)
    with shop.database.session() as session:
        if ending == "failed":
            assert completion.fail(session, claim, GenerationFailedError())
        else:
            cancellation.cancel_job(session, first)
    submission = shop.want("red mug")
    assert len(submission.published) == 1
    assert shop.generation_of(submission.job_ids[0]) != claim.generation_id


def test_concurrent_requests_for_one_image_make_one_generation(shop):
    together = threading.Barrier(8)

    def request(_: int):
        together.wait()
        return shop.want("red mug", batch=True)

    with ThreadPoolExecutor(8) as pool:
        submissions = list(pool.map(request, range(8)))

    assert len(shop.generations()) == 1
    assert sum(len(one.published) for one in submissions) == 1
    outcomes = sorted(shop.job(one.job_ids[0]).cache for one in submissions)
    assert outcomes == [CacheOutcome.COALESCED] * 7 + [CacheOutcome.MISS]


def test_concurrent_sheets_in_different_orders_do_not_deadlock(shop):
    products = [f"product {number}" for number in range(40)]
    together = threading.Barrier(6)

    def request(turn: int):
        shift = turn * 7
        sheet = products[shift:] + products[:shift]
        together.wait()
        return shop.want(*(sheet if turn % 2 else sheet[::-1]), batch=True)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(request, range(6)))

    assert len(shop.generations()) == len(products)


def test_a_join_locks_in_the_order_of_a_cancellation(shop):
    """By ascending id: a join that waits for the first row holds none of the later ones."""
    products = [f"product {number}" for number in range(20)]
    for product in products:
        shop.want(product)
    first, *others = sorted(generation.id for generation in shop.generations())
    with ThreadPoolExecutor(1) as pool:
        with shop.database.session() as session:
            assert lock_generations(session, Generation.id == first)
            joined = pool.submit(shop.want, *products, batch=True)
            shop.wait_for_lock_wait()
            free = lock_generations(session, Generation.id != first, skip_locked=True)
        assert len(joined.result().job_ids) == len(products)
    assert free == others


def test_joins_and_cancellations_leave_no_work_without_a_waiter_nor_a_waiter_without_work(shop):
    products = [f"product {number}" for number in range(30)]
    sheets = [shop.batch_of(shop.want(*products, batch=True).job_ids[0]).id for _ in range(4)]
    together = threading.Barrier(8)

    def join(turn: int) -> None:
        together.wait()
        shop.want(*(products if turn % 2 else products[::-1]), batch=True)

    def cancel(turn: int) -> None:
        together.wait()
        with shop.database.session() as session:
            cancellation.cancel_batch(session, sheets[turn])

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(work, turn) for turn in range(4) for work in (join, cancel)]
        for one in running:
            one.result()

    for generation in shop.generations():
        states = {job.state for job in shop.jobs(generation_id=generation.id)}
        assert (JobState.QUEUED in states) == (generation.state is GenerationState.QUEUED)


def test_a_join_that_races_with_the_finish_gets_the_image(shop):
    """Whichever comes first, nobody waits for a generation that has ended."""
    for number in range(10):
        product = f"product {number}"
        (first,) = shop.want(product).job_ids
        claim = shop.start(first)
        together = threading.Barrier(2)

        def finish(claim=claim, together=together) -> bool:
            together.wait()
            return shop.succeed(claim)

        def join(product=product, together=together):
            together.wait()
            return shop.want(product)

        with ThreadPoolExecutor(2) as pool:
            finished, joined = pool.submit(finish), pool.submit(join)
            assert finished.result()
            (second,) = joined.result().job_ids
        assert shop.job(second).state is JobState.SUCCEEDED
        assert shop.job(second).image_id == shop.job(first).image_id


def test_a_join_waits_for_a_finish_that_is_not_committed(shop):
    (first,) = shop.want("red mug").job_ids
    claim = shop.start(first)
    with ThreadPoolExecutor(1) as pool:
        with shop.database.session() as session:
            assert completion.succeed(session, [finished(claim)])
            joined = pool.submit(shop.want, "red mug")
            shop.wait_for_lock_wait()
        (second,) = joined.result().job_ids
    assert shop.job(second).cache is CacheOutcome.EXACT


def test_a_join_waits_for_a_cancellation_and_starts_anew(shop):
    (first,) = shop.want("red mug").job_ids
    with ThreadPoolExecutor(1) as pool:
        with shop.database.session() as session:
            assert cancellation.cancel_job(session, first)
            joined = pool.submit(shop.want, "red mug")
            shop.wait_for_lock_wait()
        submission = joined.result()
    assert len(submission.published) == 1
    assert shop.job(submission.job_ids[0]).state is JobState.QUEUED
