"""From the message to the row: images that begin where a near prompt's was, whole."""

import pytest

from core.domain.states import CacheOutcome, JobState
from tests.integration.shop import wanted
from tests.support.served import ServedModels
from tests.unit.worker.test_engine import ArithmeticModel
from worker.approximate.cache import ApproximateCache
from worker.endings import Delivery
from worker.engine import Engine
from worker.leases import Leases
from worker.loaded import LoadedModel
from worker.runner import Runner


@pytest.fixture
def model() -> ArithmeticModel:
    """A model whose text encoder takes all prompts for one another."""
    return ArithmeticModel()


@pytest.fixture
def engine(model):
    engine = Engine({"": LoadedModel(model, end=lambda prompt: 0)}, row_limit=4)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def cache(database, storage, engine) -> ApproximateCache:
    return ApproximateCache(
        database=database,
        storage=storage,
        embed=engine.embed,
    )


@pytest.fixture
def run(database, storage, engine, cache, shop):
    """Do what one job's message asks for."""
    leases = Leases(
        database=database, engine=engine, owner="me", lease_seconds=60, heartbeat_seconds=1
    )
    runner = Runner(
        database=database,
        storage=storage,
        engine=engine,
        models=ServedModels("r1", model=engine.models[""]),
        leases=leases,
        max_attempts=3,
        approximate=cache,
        pause_seconds=0,
    )

    def run(job_id):
        assert runner.run(shop.generation_of(job_id)) is Delivery.DONE
        assert shop.job(job_id).state is JobState.SUCCEEDED
        cache.flush()
        return shop.job(job_id)

    return run


def willing(product: str, **values):
    return wanted(product, approximate=True, **values)


def image_of(shop, job):
    (image,) = [one for one in shop.images() if one.id == job.image_id]
    return image


def test_a_near_prompt_is_spared_steps_and_says_so(shop, run, model):
    first = run(shop.want(willing("red mug")).job_ids[0])
    assert (first.cache, len(model.calls)) == (CacheOutcome.MISS, 4)
    second = run(shop.want(willing("blue mug")).job_ids[0])
    assert (second.cache, len(model.calls)) == (CacheOutcome.APPROXIMATE, 4 + 2)
    began = shop.generation(second.generation_id).approximation
    assert began["steps_spared"] == 2
    assert began["source_generation"] == str(first.generation_id)
    assert began["source_job"] == str(first.id)


def test_what_was_computed_in_full_is_an_exact_image_for_everybody(shop, run):
    first = run(shop.want(willing("red mug")).job_ids[0])
    generation = shop.generation(first.generation_id)
    assert image_of(shop, first).fingerprint == generation.exact_fingerprint
    (plain,) = shop.want(wanted("red mug")).job_ids
    assert shop.job(plain).cache is CacheOutcome.EXACT


def test_what_began_with_anothers_latents_is_never_an_exact_image(shop, run):
    run(shop.want(willing("red mug")).job_ids[0])
    second = run(shop.want(willing("blue mug")).job_ids[0])
    generation = shop.generation(second.generation_id)
    assert image_of(shop, second).fingerprint == generation.fingerprint
    assert generation.fingerprint != generation.exact_fingerprint
    (plain,) = shop.want(wanted("blue mug")).job_ids
    assert shop.job(plain).cache is CacheOutcome.MISS


def test_another_tenant_computes_every_step_itself(shop, run, model):
    run(shop.want(willing("red mug")).job_ids[0])
    stranger = run(shop.want(willing("red mug"), tenant="stranger").job_ids[0])
    assert (stranger.cache, len(model.calls)) == (CacheOutcome.MISS, 4 + 4)


@pytest.mark.parametrize("changes", [{"variant": 2}, {"seed": 7}, {"steps": 5}])
def test_other_variants_seeds_and_schedules_begin_for_themselves(shop, run, changes):
    run(shop.want(willing("red mug")).job_ids[0])
    other = run(shop.want(willing("red mug", **changes)).job_ids[0])
    assert other.cache is CacheOutcome.MISS
