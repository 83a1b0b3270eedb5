"""Work for a model that no worker serves: it waits without cost, until somebody decides."""

from datetime import UTC, datetime

import pytest

from core.db.models import Backlog, Worker
from core.domain.cache_mode import CacheMode
from core.domain.image_spec import ModelInput
from core.domain.lanes import Lane
from core.domain.states import CacheOutcome, GenerationState, JobState
from core.errors import ModelReplacedError
from core.lifecycle import backlogs, claims, feeding, requeue, serving
from core.lifecycle.requeue import RequeueOutcome
from tests.integration.shop import Shop, wanted
from tests.specs import made_by

WINDOW = 8
NEW = made_by("r2")


@pytest.fixture
def new(database):
    """The same shop after its model was replaced."""
    return Shop(database, bundle_revision="r2")


@pytest.fixture
def serve(shop):
    def serve(name, revision):
        with shop.database.session() as session:
            serving.announce(session, name, {revision})

    return serve


@pytest.fixture
def sweep(shop):
    """Do what housekeeping does; give the generations whose messages are sent."""

    def sweep(window=WINDOW):
        with shop.database.session() as session:
            backlogs.set_aside(session)
        with shop.database.session() as session:
            backlogs.close_empty(session)
        with shop.database.session() as session:
            sent = feeding.take_waiting(session, window=window, republish_seconds=0)
        return [message.generation_id for message in sent]

    return sweep


@pytest.fixture
def move(shop):
    def move(old="r1", to=NEW, **values):
        with shop.database.session() as session:
            return dict(requeue.move_some(session, old, to=to, **values))

    return move


def generations(shop, submission):
    return [shop.generation_of(job) for job in submission.job_ids]


def test_rows_of_a_replaced_model_neither_go_round_nor_starve_newer_ones(
    shop, new, serve, sweep, statements
):
    old = generations(shop, shop.want(*(f"mug {n}" for n in range(5 * WINDOW)), batch=True))
    assert len(sweep()) == WINDOW, "nobody is there who could have another model"
    serve("w2", "r2")
    (fresh,) = generations(new, new.want("cup"))

    assert sweep() == [fresh]
    assert sweep() == []

    with shop.database.session() as session, statements() as seen:
        assert claims.claim(session, old, owner="w", lease_seconds=9, revisions={"r2"}) == {}
        assert backlogs.set_aside(session) == 0
        assert feeding.take_waiting(session, window=WINDOW, republish_seconds=0) == []
    assert not [one for one in seen if one.lstrip().lower().startswith(("update", "insert"))]
    assert {shop.generation(one).attempts for one in old} == {0}
    assert {shop.generation(one).state for one in old} == {GenerationState.QUEUED}


def test_they_run_when_a_worker_with_their_model_comes_back(shop, serve, sweep):
    sent = generations(shop, shop.want("red mug", "blue mug"))
    sweep()
    serve("w2", "r2")
    sweep()
    assert sweep() == []
    serve("w1", "r1")
    assert sorted(sweep()) == sorted(sent)
    assert shop.claim(sent[0]) is not None


@pytest.mark.parametrize("publishes", [0, 3])
def test_a_sheets_own_backlog_waits_too(shop, serve, sweep, publishes):
    serve("w2", "r2")
    rows = generations(shop, shop.want("a", "b", "c", "d", batch=True, publishes=publishes))
    assert sweep() == []
    serve("w1", "r1")
    assert sorted(sweep()) == sorted(rows)


def test_what_its_request_is_about_to_publish_is_not_sent_after_all(shop, serve, sweep):
    serve("w2", "r2")
    (row,) = generations(shop, shop.want("red mug"))
    assert sweep() == []
    with shop.database.session() as session:
        feeding.mark_published(session, [feeding.Message(row, Lane.STANDARD)])
    assert shop.generation(row).published_at is None


def test_a_worker_that_is_silent_or_has_left_serves_nothing(shop, serve, sweep):
    serve("w1", "r1")
    serve("w2", "r2")
    with shop.database.session() as session:
        assert serving.abandoned_among(session, {"r1", "r2", "r3"}) == {"r3"}
    with shop.database.session() as session:
        session.get_one(Worker, ("w1", "r1")).seen_at = datetime(2000, 1, 1, tzinfo=UTC)
    shop.want("red mug")
    assert sweep() == []
    with shop.database.session() as session:
        assert serving.abandoned_images(session) == {"r1": 1}
        serving.leave(session, "w2")
    assert len(sweep()) == 1, "nobody is left: whoever comes may have any model"
    with shop.database.session() as session:
        serving.forget_gone(session)
    assert shop.all(Worker) == []


def test_two_models_at_once_are_both_sent(shop, new, serve, sweep):
    serve("w1", "r1")
    serve("w2", "r2")
    rows = generations(shop, shop.want("mug", "cup")) + generations(new, new.want("mug", "cup"))
    assert sorted(sweep()) == sorted(rows)


def test_a_message_of_another_model_is_sent_again_later(shop, serve, sweep):
    serve("w1", "r1")
    serve("w2", "r2")
    (row,) = generations(shop, shop.want("mug"))
    sweep()
    with shop.database.session() as session:
        foreign = claims.put_off_foreign(session, [row], revisions={"r2"}, delay_seconds=3600)
        assert foreign == {row: "r1"}
    assert (shop.generation(row).published_at, shop.generation(row).attempts) == (None, 0)
    assert sweep() == [], "not before its delay"
    with shop.database.session() as session:
        assert claims.put_off_foreign(session, [row], revisions={"r1"}, delay_seconds=0) == {}


def test_a_worker_serves_each_model_that_it_announced_last(shop, new, serve):
    old = generations(shop, shop.want("mug", "cup"))
    (fresh,) = generations(new, new.want("mug"))
    (foreign,) = generations(other := Shop(shop.database, bundle_revision="r3"), other.want("mug"))
    with shop.database.session() as session:
        serving.announce(session, "w", {"r1", "r2"})
    serve("other", "r1")
    with shop.database.session() as session:
        assert serving.abandoned_among(session, {"r1", "r2", "r3"}) == {"r3"}
        workers = {one.revision: one.workers for one in serving.waiting(session)}
        assert workers == {"r1": 2, "r2": 1, "r3": 0}
        every = [*old, fresh, foreign]
        assert claims.claimable(session, every, {"r1", "r2"}) == {*old, fresh}
        taken = claims.claim(session, every, owner="w", lease_seconds=9, revisions={"r1", "r2"})
        assert {one: claim.bundle_revision for one, claim in taken.items()} == {
            **dict.fromkeys(old, "r1"),
            fresh: "r2",
        }
        assert claims.claim(session, every, owner="w", lease_seconds=9, revisions=()) == {}
        wait = claims.put_off_foreign(session, every, revisions={"r1", "r2"}, delay_seconds=0)
        assert wait == {foreign: "r3"}
    with shop.database.session() as session:
        serving.announce(session, "w", {"r2", "r3"})
        assert serving.abandoned_among(session, {"r1", "r2", "r3"}) == set()
        serving.leave(session, "other")
        assert serving.abandoned_among(session, {"r1", "r2", "r3"}) == {"r1"}
        serving.announce(session, "w", ())
    assert shop.all(Worker) == []


def test_how_many_images_share_a_call_is_the_mean_of_what_workers_said_last(shop):
    with shop.database.session() as session:
        serving.announce(session, "one", {"r1", "r2"}, {"r1": 8.0})
        serving.announce(session, "two", {"r1"}, {"r1": 2.0, "r3": 9.0})
        assert serving.images_per_call(session) == {"r1": 5.0}
    with shop.database.session() as session:
        serving.announce(session, "one", {"r1", "r2"}, {"r2": 3.0})
        assert serving.images_per_call(session) == {"r1": 5.0, "r2": 3.0}, "none since: as before"
        serving.announce(session, "one", {"r1"}, {"r1": 4.0})
        assert serving.images_per_call(session) == {"r1": 3.0}
        serving.leave(session, "two")
        assert serving.images_per_call(session) == {"r1": 4.0}


@pytest.mark.parametrize(
    "one",
    [
        wanted("mug"),
        wanted("mug", seed=7),
        wanted("mug", seed=2**63 - 1, variant=3),
        wanted("mug", variant=2),
        wanted("mug", guidance_scale=7.5, negative_prompt="blur"),
        wanted("mug", approximate=True),
        wanted("mug", approximate=True, seed=7, variant=2),
    ],
)
def test_what_is_moved_is_what_the_new_model_would_have_been_asked_for(
    shop, new, move, sweep, serve, one
):
    old = shop.want(one, batch=True)
    assert move() == {RequeueOutcome.MOVED: 1}

    same = new.want(one)
    moved, asked = shop.job(old.job_ids[0]), shop.job(same.job_ids[0])
    assert moved.generation_id == asked.generation_id
    assert asked.cache is CacheOutcome.COALESCED
    assert (moved.fingerprint, moved.seed) == (asked.fingerprint, asked.seed)
    row = shop.generation(moved.generation_id)
    assert (row.bundle_revision, row.seed) == ("r2", asked.seed)
    assert (moved.model, moved.bundle_revision) == ("default", "r2")
    serve("w2", "r2")
    assert sweep() == [row.id]
    claim = shop.claim(row.id)
    assert shop.succeed(claim)
    assert shop.job(moved.id).state is JobState.SUCCEEDED


def test_what_is_moved_has_the_fingerprint_of_what_the_new_model_reads(shop, new, move):
    new.model = made_by("r2", reads=ModelInput(embeds_guidance=True))
    (old,) = shop.want(wanted("mug", guidance_scale=5.0, negative_prompt="blur")).job_ids
    assert move(to=new.model) == {RequeueOutcome.MOVED: 1}
    (same,) = new.want(wanted("mug", guidance_scale=5.0)).job_ids
    assert shop.job(same).generation_id == shop.job(old).generation_id


def test_what_is_moved_looks_for_the_new_models_near_images_only(shop, new, move):
    (job,) = shop.want(wanted("mug", approximate=True)).job_ids
    old = shop.generation(shop.generation_of(job))
    move()
    row, asked = shop.generation(old.id), wanted("mug", model=new.model)
    assert row.approximate_scope == asked.scope() != old.approximate_scope
    assert row.exact_fingerprint == asked.fingerprint()
    assert row.fingerprint == asked.approximate_fingerprint()


def test_an_image_that_the_new_model_made_before_answers(shop, new, move):
    new.succeed(new.start(new.want("mug").job_ids[0]))
    (image,) = shop.images()
    old = shop.want("mug", "cup", batch=True).job_ids

    assert move() == {RequeueOutcome.STORED: 1, RequeueOutcome.MOVED: 1}

    job = shop.job(old[0])
    assert (job.state, job.image_id, job.cache) == (
        JobState.SUCCEEDED,
        image.id,
        CacheOutcome.EXACT,
    )
    assert shop.generation(job.generation_id).state is GenerationState.CANCELED
    assert shop.batch_of(old[0]).open_jobs == 1


@pytest.mark.parametrize("running", [False, True])
def test_work_of_the_new_model_in_flight_is_joined_and_moves_to_the_earlier_lane(
    shop, new, move, running
):
    (asked,) = new.want("mug", lane=Lane.BULK).job_ids
    claim = new.start(asked) if running else None
    (old,) = shop.want("mug", lane=Lane.INTERACTIVE).job_ids
    left = shop.generation_of(old)

    assert move() == {RequeueOutcome.JOINED: 1}

    assert shop.generation_of(old) == shop.generation_of(asked)
    assert shop.generation(shop.generation_of(asked)).lane is Lane.INTERACTIVE
    assert shop.generation(left).state is GenerationState.CANCELED
    assert shop.succeed(claim or new.start(asked))
    assert shop.job(old).state is JobState.SUCCEEDED


def test_what_may_not_be_shared_stays_alone(shop, new, move):
    new.succeed(new.start(new.want("mug").job_ids[0]))
    jobs = [shop.want("mug", cache=CacheMode.BYPASS).job_ids[0] for _ in range(2)]
    before = [shop.generation_of(job) for job in jobs]
    assert move() == {RequeueOutcome.MOVED: 2}
    assert [shop.generation_of(job) for job in jobs] == before


def test_of_several_tenants_each_keeps_its_own(shop, new, move):
    new.succeed(new.start(new.want("mug", tenant="other").job_ids[0]))
    shop.want("mug")
    shop.want("mug", tenant="other")
    assert move() == {RequeueOutcome.STORED: 1, RequeueOutcome.MOVED: 1}


def test_what_runs_goes_on_and_portions_add_up(shop, move):
    jobs = shop.want(*(f"mug {n}" for n in range(5))).job_ids
    claim = shop.start(jobs[0])
    assert [move(limit=3), move(limit=3), move(limit=3)] == [
        {RequeueOutcome.MOVED: 3},
        {RequeueOutcome.MOVED: 1},
        {},
    ]
    assert shop.succeed(claim)
    assert len(shop.all(Backlog)) == 2


def test_an_image_that_the_new_model_cannot_make_fails_with_the_reason(shop, move):
    def refuses(spec):
        square = spec.width == spec.height
        return None if square else "does not make images of this size."

    jobs = shop.want("mug", wanted("cup", width=128), batch=True).job_ids
    done = move(refuses=refuses)
    assert done == {RequeueOutcome.FAILED: 1, RequeueOutcome.MOVED: 1}
    failed = shop.job(jobs[1])
    assert (failed.state, failed.error_code) == (JobState.FAILED, "model_replaced")
    assert "does not make images of this size" in failed.error_message


def test_they_can_be_failed_instead(shop, new):
    jobs = shop.want("mug", "cup", "jar", batch=True).job_ids
    running = shop.start(jobs[0])
    (other,) = new.want("mug").job_ids
    with shop.database.session() as session:
        assert requeue.fail_some(session, "r1", error=ModelReplacedError()) == 2
        assert requeue.fail_some(session, "r1", error=ModelReplacedError()) == 0
    assert [shop.job(job).state for job in jobs] == [
        JobState.RUNNING,
        JobState.FAILED,
        JobState.FAILED,
    ]
    assert "was replaced" in shop.job(jobs[1]).error_message
    assert shop.job(other).state is JobState.QUEUED
    assert shop.succeed(running)
