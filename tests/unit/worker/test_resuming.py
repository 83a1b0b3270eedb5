"""Rows that begin half way: the sampler with its real schedulers, and the engine around it."""

from typing import Any

import numpy as np
import pytest

from core.domain.schedulers import NOT_RESUMABLE, SCHEDULERS
from tests.unit.worker.test_engine import PATIENCE, ArithmeticModel, request, wait_until
from worker.engine import Engine
from worker.model import HIDDEN_STATES
from worker.rows import RowFailedError, RowHandedBackError
from worker.sampler import Sampler
from worker.walk import Resume

STEPS = 20
SHAPE = (4, 8, 8)
RESUMABLE = [name for name in SCHEDULERS if name not in NOT_RESUMABLE]

EXACT = {"ddim", "euler", "euler_ancestral"}
"""Schedulers without a history: only FP16 rounds the latents on the way."""


def sampler(scheduler: str, **changes: Any) -> Sampler:
    values = {"steps": STEPS, "guidance_scale": 1.0, "seed": 5, "shape": SHAPE} | changes
    return Sampler(scheduler=scheduler, config=ArithmeticModel.scheduler_config, **values)


def finish(one: Sampler) -> np.ndarray:
    """Denoise as the ideal model of pictures whose pixels are normal around 1, with deviation 1/2.

    Its flow is curved, and each noise ends in a picture of its own.
    """
    mean, variance = 1.0, 0.25
    while not one.done:
        alpha = float(one._scheduler.alphas_cumprod[int(one.timestep)])
        noisy = one.model_input()
        share = variance * alpha**0.5 / (variance * alpha + 1 - alpha)
        clean = mean + share * (noisy - alpha**0.5 * mean)
        one.step((noisy - alpha**0.5 * clean) / (1 - alpha) ** 0.5)
    return one.latents


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """In dB, over the four deviations in which nearly all pixels lie."""
    return float(10 * np.log10(2.0**2 / np.mean((one - other) ** 2)))


@pytest.mark.parametrize("step", [2, 4, 6, 8, 10])
@pytest.mark.parametrize("scheduler", RESUMABLE)
def test_going_on_from_ones_own_latents_gives_the_same_image(scheduler: str, step: int):
    full = sampler(scheduler, keep=(step,))
    image = finish(full)
    resumed = sampler(scheduler, begin=Resume(step=step, latents=full.kept[step]))
    assert (resumed.position, resumed.taken) == (step, 0)
    again = finish(resumed)
    assert (resumed.position, resumed.taken) == (STEPS, STEPS - step)
    assert psnr(image, again) > (80 if scheduler in EXACT else 65)


@pytest.mark.parametrize("scheduler", RESUMABLE)
def test_the_noise_of_ones_own_seed_does_not_matter_any_more(scheduler: str):
    full = sampler(scheduler, keep=(10,))
    finish(full)
    begin = Resume(step=10, latents=full.kept[10])
    mine, yours = (finish(sampler(scheduler, seed=seed, begin=begin)) for seed in (5, 6))
    assert np.array_equal(mine, yours) == (scheduler != "euler_ancestral")


@pytest.mark.parametrize("scheduler", sorted(NOT_RESUMABLE))
def test_a_scheduler_that_cannot_begin_half_way_says_why(scheduler: str):
    with pytest.raises(ValueError, match=scheduler):
        sampler(scheduler, begin=Resume(step=2, latents=np.zeros(SHAPE, np.float16)))


@pytest.mark.parametrize("step", [0, STEPS, STEPS + 1])
def test_a_start_outside_the_schedule_is_refused(step: int):
    with pytest.raises(ValueError, match="is not inside"):
        sampler("ddim", begin=Resume(step=step, latents=np.zeros(SHAPE, np.float16)))


def test_latents_of_another_size_are_refused():
    with pytest.raises(ValueError, match="cannot start"):
        sampler("ddim", begin=Resume(step=2, latents=np.zeros((4, 8, 16), np.float16)))


@pytest.fixture
def model() -> ArithmeticModel:
    return ArithmeticModel()


@pytest.fixture
def engine(model: ArithmeticModel):
    engine = Engine.of_one(model, row_limit=4)
    engine.start()
    yield engine
    engine.close()


def test_the_engine_keeps_latents_and_goes_on_from_them(engine: Engine, model: ArithmeticModel):
    full = engine.submit(request(steps=10, keep=(2, 5))).result(PATIENCE)
    assert sorted(full.kept) == [2, 5]
    assert {latents.dtype for latents in full.kept.values()} == {np.dtype(np.float16)}
    model.calls.clear()
    begin = Resume(step=5, latents=full.kept[5])
    resumed = engine.submit(request(steps=10, begin=begin, seed=2)).result(PATIENCE)
    assert (len(model.calls), resumed.steps, dict(resumed.kept)) == (5, 5, {})
    difference = resumed.image.astype(int) - full.image.astype(int)
    assert np.abs(difference).max() <= 1


def test_a_row_that_starts_half_way_shares_calls_with_others(engine, model):
    model.gate.clear()
    first = engine.submit(request(steps=4))
    wait_until(lambda: model.together == 1)
    begin = Resume(step=6, latents=np.zeros((4, 4, 4), np.float16))
    late = engine.submit(request(steps=10, begin=begin))
    wait_until(lambda: len(engine._scheduler) == 2)
    model.gate.set()
    assert [one.result(PATIENCE).steps for one in (first, late)] == [4, 4]
    assert max(model.calls) == 2


def test_an_unfitting_start_fails_its_row_alone(engine):
    begin = Resume(step=2, latents=np.zeros((4, 1, 1), np.float16))
    bad, good = engine.submit(request(begin=begin)), engine.submit(request())
    with pytest.raises(RowFailedError, match="cannot start"):
        bad.result(PATIENCE)
    assert good.result(PATIENCE).steps == 4


def test_a_text_is_embedded_once_for_the_look_up_and_the_row(engine):
    conditioning = engine.embed("red mug").result(PATIENCE)
    assert conditioning[HIDDEN_STATES].shape == (2, 3)
    engine.submit(request(prompt="Red  mug")).result(PATIENCE)
    assert (engine.models[""].embeddings.hits, engine.models[""].embeddings.misses) == (1, 1)


def test_a_text_that_cannot_be_encoded_breaks_its_future_alone(engine, model, monkeypatch):
    def encode(texts):
        if "poison" in texts:
            raise RuntimeError("poisoned")
        return ArithmeticModel.encode(model, texts)

    monkeypatch.setattr(engine.models[""].embeddings, "_encode", encode)
    bad, good = engine.embed("poison"), engine.embed("mug")
    with pytest.raises(RuntimeError, match="poisoned"):
        bad.result(PATIENCE)
    assert good.result(PATIENCE)[HIDDEN_STATES].shape == (2, 3)


def test_an_engine_that_stops_embeds_nothing(engine):
    engine.drain()
    with pytest.raises(RowHandedBackError):
        engine.embed("mug").result(PATIENCE)
